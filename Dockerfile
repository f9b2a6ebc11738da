# memdec for the Prefect server, its worker and the inference server: compose.yaml starts all three.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# For an index of smaller builds of torch than the default one's, which bring CUDA along.
ARG PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock pyproject.toml ./
# What memdec imports in the versions of the lock file, without the tools of its developers.
RUN python3 -c 'import tomllib; \
project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print("\n".join(project["dependencies"]))' > dependencies.txt \
    && python3 -m venv /opt/memdec \
    && /opt/memdec/bin/pip install --constraint requirements.lock --requirement dependencies.txt
COPY README.md LICENSE ./
COPY memdec_core memdec_core
COPY storage storage
COPY tasks tasks
COPY flows flows
RUN /opt/memdec/bin/pip install --constraint requirements.lock --no-deps .

FROM ${PYTHON_IMAGE}
RUN useradd --create-home --uid 10001 memdec \
    && install --directory --owner=memdec /data /data/store /data/prefect /srv/memdec
COPY --from=build /opt/memdec /opt/memdec
ENV PATH=/opt/memdec/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREFECT_HOME=/data/prefect \
    MEMDEC_STORE=/data/store
COPY deploy/pipelines /srv/memdec/deploy/pipelines
WORKDIR /srv/memdec
USER 10001
CMD ["memdec", "--help"]
