select measured.*
from {{ source("facts", "recording_evidence") }} as measured
inner join {{ ref("stg_callmart__recording_facts") }} as latest
    on
        measured.content_hash = latest.content_hash
        and measured.analyser_version = latest.analyser_version
