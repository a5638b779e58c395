# One image for every Airflow component of docker-compose.yml.
# BASE is an argument so that the image can be built where another registry, or none, is at hand.
ARG BASE=python:3.12.12-slim-bookworm
FROM ${BASE}

# Chinese in charts and PDFs; without such a font boxes are drawn.
RUN apt-get update \
    && apt-get install -y --no-install-recommends fontconfig fonts-noto-cjk python3-venv \
    && rm -rf /var/lib/apt/lists/*

# An account of its own; the numbers let a volume's owner be set from outside.
RUN groupadd --gid 50000 callmart \
    && useradd --uid 50000 --gid 50000 --create-home callmart \
    && install -d -o callmart -g callmart /opt/callmart /opt/callmart/venv /var/lib/airflow /var/lib/airflow/logs
USER callmart
WORKDIR /opt/callmart

ENV PATH=/opt/callmart/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/callmart/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/callmart/plugins \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/lib/airflow/logs \
    GX_ANALYTICS_ENABLED=false \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false

# The packages first: they change less often than the code.
COPY --chown=callmart:callmart requirements/server.txt requirements/server.txt
RUN python3 -m venv venv \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements/server.txt

# SPEECH=yes adds the speech recognisers; their models come in a folder (docker-compose.yml).
ARG SPEECH=no
COPY --chown=callmart:callmart requirements/speech.txt requirements/speech.txt
RUN if [ "$SPEECH" = yes ]; then \
        pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements/speech.txt; \
    fi

COPY --chown=callmart:callmart . .
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable .

CMD ["airflow", "version"]
