-- Items that wait in quarantine.
select count(*) as open_items from ops.quarantine where status = 'open'
