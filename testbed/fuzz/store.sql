-- SPDX-License-Identifier: GPL-2.0-only
-- The store of a campaign, campaign.sqlite. A change of this file is a new version: store.VERSION.

CREATE TABLE facts (                  -- of the campaign: seed, mode, flavour, kernel, program, ...
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE schedules (              -- every one that was run or is waiting
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL,               -- canonical JSON
    parent TEXT NOT NULL,             -- name of the schedule it was made from; of a seed its label
    mutation TEXT NOT NULL,           -- 'seed', 'import', 'blind', or what made it of its parent
    deterministic INTEGER,            -- NULL: not run twice; 0: two runs of it differed
    differs TEXT NOT NULL DEFAULT ''  -- in what
) WITHOUT ROWID;

CREATE TABLE waiting (                -- to be run before anything is made up; a row goes with its run
    number INTEGER PRIMARY KEY,       -- order
    schedule TEXT NOT NULL REFERENCES schedules (name)
);

CREATE TABLE runs (
    number INTEGER PRIMARY KEY,       -- from 1; what is made up is made of seed and number
    schedule TEXT NOT NULL REFERENCES schedules (name),
    mode TEXT NOT NULL,               -- 'seed', 'guided', 'blind', or 'check': a run done again
    checks INTEGER,                   -- of a check: number of the run it is compared with
    ended TEXT NOT NULL,              -- outcome.Ended
    signatures TEXT NOT NULL,         -- JSON list, sorted
    edges INTEGER NOT NULL,           -- shown
    edges_new INTEGER NOT NULL,       -- that no run before has shown
    states_new INTEGER NOT NULL,
    event_hash TEXT NOT NULL,
    fired TEXT NOT NULL,              -- JSON: fault -> times
    problem TEXT NOT NULL,
    cpu_s REAL NOT NULL,
    wall_s REAL NOT NULL,
    worker TEXT NOT NULL,
    at REAL NOT NULL,                 -- seconds the campaign had been running; pauses do not count
    guest TEXT NOT NULL,              -- which it ran in
    served INTEGER NOT NULL,          -- schedules that this guest had run before; 0: it was fresh
    suspected TEXT,                   -- JSON list, sorted: signatures in a used guest; NULL: it was
                                      -- fresh, or nothing was to be decided
    decides INTEGER                   -- of a fresh run: number of the run in a used guest, again
);
CREATE INDEX decided ON runs (decides) WHERE decides IS NOT NULL;
CREATE INDEX guests ON runs (guest, served);

CREATE TABLE complaints (
    signature TEXT PRIMARY KEY,
    oracle TEXT NOT NULL,
    finding TEXT NOT NULL,            -- id of the finding on record; '' for a new one
    count INTEGER NOT NULL,           -- of runs that showed it
    first_run INTEGER NOT NULL,
    last_run INTEGER NOT NULL,
    schedule TEXT NOT NULL,           -- the shortest that showed it, and of that run:
    run INTEGER NOT NULL,
    text TEXT NOT NULL,
    log TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE edges (
    place INTEGER NOT NULL,           -- as in coverage.hits
    bucket INTEGER NOT NULL,          -- of its count, 1 to 8
    first_run INTEGER NOT NULL,
    runs INTEGER NOT NULL,            -- that showed it; no more are counted once it is common
    PRIMARY KEY (place, bucket)
) WITHOUT ROWID;

CREATE TABLE states (
    word TEXT PRIMARY KEY,            -- a transition of the card's own state
    first_run INTEGER NOT NULL,
    runs INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE corpus (
    schedule TEXT PRIMARY KEY REFERENCES schedules (name),
    run INTEGER NOT NULL,             -- that it was kept for
    retired INTEGER,                  -- run whose schedule made it superfluous; NULL: in use
    features BLOB NOT NULL,           -- zlib of JSON: [[[place, bucket], ...], [word, ...]]
    events TEXT NOT NULL              -- JSON: injection point -> events
) WITHOUT ROWID;

CREATE TABLE triage (                 -- what triage found out of a signature
    signature TEXT PRIMARY KEY,
    same_as TEXT NOT NULL DEFAULT '', -- signature of which it is a variant
    minimal TEXT NOT NULL DEFAULT '', -- name of the minimised schedule, in table schedules
    shown INTEGER NOT NULL DEFAULT 0, -- of so many runs
    tried INTEGER NOT NULL DEFAULT 0,
    qemu_shown INTEGER NOT NULL DEFAULT 0,
    qemu_tried INTEGER NOT NULL DEFAULT 0,
    filed TEXT NOT NULL DEFAULT ''    -- the finding that it is, on record since
) WITHOUT ROWID;
