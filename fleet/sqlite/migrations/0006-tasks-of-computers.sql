-- Old jobs are looked for by the computers of a room, and by those that a teacher sees.
CREATE INDEX tasks_by_computer ON tasks(computer, job);
