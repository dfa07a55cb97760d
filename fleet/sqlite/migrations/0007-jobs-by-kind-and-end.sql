-- Who looks for what went wrong, or for a wipe of last year, does not wait until twenty thousand jobs are read.
CREATE INDEX jobs_by_kind ON jobs(doc ->> '$.Kind', number);
CREATE INDEX tasks_failed ON tasks(job) WHERE doc ->> '$.State' = 'failed';
CREATE INDEX tasks_cancelled ON tasks(job) WHERE doc ->> '$.State' = 'cancelled';
