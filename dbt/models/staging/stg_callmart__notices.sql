select
    notices.*,
    objects.object_key,
    objects.kind as object_kind,
    objects.source,
    objects.delivered_on
from {{ source("ops", "notices") }} as notices
inner join {{ source("ops", "objects") }} as objects on notices.object_id = objects.object_id
