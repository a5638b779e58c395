-- How each model reads a speaker's scores against their earlier ones.
select
    model_version,
    temperature,
    strength,
    population[1] as population_angry,
    population[2] as population_happy,
    population[3] as population_neutral,
    population[4] as population_sad,
    bias[1] as bias_angry,
    bias[2] as bias_happy,
    bias[3] as bias_neutral,
    bias[4] as bias_sad
from {{ source("facts", "emotion_baselines") }}
