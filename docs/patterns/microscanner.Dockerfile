# The example of MicroScanner's README with two changes: the base was
# debian:jessie-slim, and the address was https://get.aquasec.com/microscanner.
#
#   docker build -f microscanner.Dockerfile --build-arg token=TOKEN .
FROM debian:12-slim
RUN apt-get update && apt-get -y install ca-certificates
ADD https://assay.example.com/assay /microscanner
RUN chmod +x /microscanner
ARG token
RUN /microscanner ${token}
RUN echo "No vulnerabilities!"
