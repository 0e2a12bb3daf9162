# One image for every command: docker run --rm --init ingest demo
# docs/deployment.md says how to run it; docker-compose.yml runs it with Redis.

FROM python:3.12-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The dependencies first: their layer is kept until the lock changes. Without pip in
# it: the environment is what goes into the image.
COPY requirements-run.lock ./
RUN python -m venv --without-pip /opt/ingest \
 && pip --python /opt/ingest/bin/python install -r requirements-run.lock
COPY . .
RUN pip --python /opt/ingest/bin/python install --no-deps --no-build-isolation .

FROM python:3.12-slim
# Numbers, not names: Kubernetes' runAsNonRoot has only the image to go by.
RUN groupadd --gid 10001 ingest \
 && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin ingest \
 && install -d /app && install -d -o ingest -g ingest /app/data
COPY --from=build /opt/ingest /opt/ingest
COPY configs /app/configs
# In /tmp, so that it works on a read-only root with a tmpfs there.
ENV PATH=/opt/ingest/bin:$PATH INGEST_HEALTH_FILE=/tmp/ingest-health.json
WORKDIR /app
USER 10001:10001
VOLUME /app/data
STOPSIGNAL SIGTERM
# The start may include reading the embedded server's data back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "ingest.health"]
ENTRYPOINT ["ingest"]
CMD ["--help"]
