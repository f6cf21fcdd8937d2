-- SPDX-License-Identifier: GPL-2.0-only
-- The history of a nightly, nightly.sqlite. A change of this file is a new version: store.VERSION.

CREATE TABLE nights (
    number INTEGER PRIMARY KEY,       -- from 1
    started_at TEXT NOT NULL,         -- UTC, ISO 8601
    ended_at TEXT,                    -- NULL: it is not over, and will be gone on with
    minutes REAL NOT NULL             -- its budget
);

CREATE TABLE cells (                  -- what a night was to run
    night INTEGER NOT NULL REFERENCES nights (number),
    position INTEGER NOT NULL,        -- order
    name TEXT NOT NULL,
    place TEXT NOT NULL,              -- kernel, engine and card
    text TEXT NOT NULL,               -- JSON: cell.Cell
    PRIMARY KEY (night, name)
) WITHOUT ROWID;

CREATE TABLE attempts (               -- each process that has ended
    number INTEGER PRIMARY KEY,
    night INTEGER NOT NULL REFERENCES nights (number),
    cell TEXT NOT NULL,
    attempt INTEGER NOT NULL,         -- from 1; from 2 on what failed is tried again
    seconds REAL NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    reached INTEGER NOT NULL,         -- whether it came to results
    release TEXT NOT NULL,            -- of the kernel
    source TEXT NOT NULL,             -- what the kernel is made of, for people
    key TEXT NOT NULL,                -- the same for the same kernel only
    testbed TEXT NOT NULL,            -- commit
    folder TEXT NOT NULL,             -- from that of the nightly: its run directory
    UNIQUE (night, cell, attempt)
);

CREATE TABLE results (                -- each test of an attempt
    attempt INTEGER NOT NULL REFERENCES attempts (number),
    test TEXT NOT NULL,
    outcome TEXT NOT NULL,            -- reading.Outcome
    seconds REAL NOT NULL,
    reason TEXT NOT NULL,
    title TEXT NOT NULL,
    target TEXT NOT NULL,             -- what repeats it
    findings TEXT NOT NULL,           -- JSON list
    evidence TEXT NOT NULL,           -- folder in the run directory
    words TEXT NOT NULL,              -- to look for in the kernel log
    PRIMARY KEY (attempt, test)
) WITHOUT ROWID;

CREATE TABLE measured (
    attempt INTEGER NOT NULL REFERENCES attempts (number),
    name TEXT NOT NULL,
    value REAL NOT NULL,
    unit TEXT NOT NULL,
    less INTEGER NOT NULL,            -- whether less is better
    PRIMARY KEY (attempt, name)
) WITHOUT ROWID;
