-- How two voices in one channel were told apart: how sure, whether they got the names of the sides, and the
-- figures of each voice in the order in which they are first heard. Null: nothing was there to separate.
alter table facts.recordings add column separation jsonb;
