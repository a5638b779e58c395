select
    segments.*,
    transcripts.call_id,
    transcripts.content_sha256 as transcript_sha256,
    transcripts.is_current
from {{ source("facts", "transcript_segments") }} as segments
inner join {{ ref("stg_callmart__transcripts") }} as transcripts on segments.object_id = transcripts.object_id
