PS1='\[\e[1m\]dut\[\e[0m\]:\w\$ '
