-- The time that was named where a call-back was agreed, in the parts in which it was said (ml/phrases/moments.py); null:
-- none was. Which moment that is follows from when and in which time zone it was said, and is judged in dbt.
alter table facts.phrase_hits add column said_moment jsonb;
