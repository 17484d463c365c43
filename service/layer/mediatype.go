package layer

import (
	"fmt"
	"strings"
)

// CheckMediaType returns an error for the media type of a layer that Inspect cannot read: one
// that is encrypted, that is not stored in the registry, or that is unknown.
func CheckMediaType(mediaType string) error {
	name, parameter, _ := strings.Cut(mediaType, ";")
	switch strings.TrimSpace(name) {
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd":
		if parameter == "" {
			return nil
		}
	}
	switch {
	case strings.Contains(mediaType, "encrypted"):
		return fmt.Errorf("layer of type %q is encrypted", mediaType)
	case strings.Contains(mediaType, "nondistributable"), strings.Contains(mediaType, "foreign"):
		return fmt.Errorf("layer of type %q is not stored in the registry", mediaType)
	}
	return fmt.Errorf("unsupported type of layer %q", mediaType)
}
