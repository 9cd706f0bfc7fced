# The project on an image with CUDA (docs/nightly.md): docker build -t vit-claims .
# PyTorch brings the CUDA libraries that it was built for; of the image the driver's interface alone is used.
FROM nvidia/cuda:13.0.2-base-ubuntu24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# What the README asks for: python3 with venv, make and git; certificates for downloads. Versions are the image's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home claims \
    && install -d -o claims -g claims /vit-claims /home/claims/.cache

USER 10001:10001
WORKDIR /vit-claims
ARG EXTRAS=dev,data
# What is installed changes less often than the code: it comes first, so that a change of the code keeps its layer.
COPY --chown=claims:claims Makefile pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=claims:claims harness/__init__.py harness/__init__.py
RUN PIP_NO_CACHE_DIR=1 make setup EXTRAS="$EXTRAS"
COPY --chown=claims:claims . .
# Files that were copied are as new as the build; what they ask for was installed a moment ago.
RUN touch .venv/.ready

# Runs, checkpoints and data: mount a volume here.
VOLUME /home/claims/.cache
CMD ["make", "verify"]
