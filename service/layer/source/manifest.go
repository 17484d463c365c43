package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"assay/service/layer"
)

// Bounds of what describes an image.
const (
	maxManifest  = 4 << 20 // bytes of a manifest, as registries bound it
	maxConfig    = 8 << 20
	maxCreatedBy = 1 << 10
	maxLayers    = 4096
	maxNested    = 3 // an index in an index
	// maxValues bounds the values of one JSON text, which take much more memory than text.
	maxValues = 100_000
)

// defaultPlatform is the platform of which an image is read if the caller names none.
const defaultPlatform = "linux/amd64"

// parsePlatform reads "linux/arm64/v8".
func parsePlatform(s string) (v1.Platform, error) {
	p, err := v1.ParsePlatform(cmp.Or(s, defaultPlatform))
	if err != nil || p.OS == "" || p.Architecture == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return v1.Platform{}, fail(Malformed, "a platform looks like linux/amd64 or linux/arm64/v8", "invalid platform %q", s)
	}
	return *p, nil
}

// decode decodes JSON that was read within a bound.
func decode(text []byte, into any, what string) error {
	if values(text) > maxValues {
		return fail(TooLarge, "", "the %s has more than %d values", what, maxValues)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fail(Invalid, "", "parse the %s: %w", what, err)
	}
	return nil
}

// values returns a bound on the elements of arrays and members of objects in a JSON text: one
// more than its commas that are not in strings.
func values(text []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			n++
		}
	}
	return n
}

// A head has what tells the kinds of manifests apart.
type head struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	Manifests     []json.RawMessage `json:"manifests"`
	Layers        []json.RawMessage `json:"layers"`
	FSLayers      []json.RawMessage `json:"fsLayers"`
}

// kindOf reports whether a manifest is an index. It returns an error for one that is neither
// an index nor an image. The content decides, and must not contradict the media type.
func kindOf(text []byte, mediaType types.MediaType) (index bool, err error) {
	var h head
	if err := decode(text, &h, "manifest"); err != nil {
		return false, err
	}
	if h.SchemaVersion == 1 || h.FSLayers != nil || mediaType.IsSchema1() || h.MediaType.IsSchema1() {
		return false, fail(Unsupported, "push the image again with a current docker, podman or skopeo", "the image has a manifest of Docker's schema 1, which is not supported")
	}
	kind := cmp.Or(h.MediaType, mediaType)
	switch index = h.Manifests != nil; {
	case h.Manifests != nil && h.Layers != nil, kind.IsIndex() && !index, kind.IsImage() && index:
		return false, fail(Invalid, "", "the manifest of type %q has the content of another type", kind)
	case h.SchemaVersion != 2 || !index && h.Layers == nil:
		return false, fail(Invalid, "", "the manifest of type %q is neither an image nor an index", kind)
	}
	return index, nil
}

// choose returns the manifest of an index for a platform. It skips attestations.
func choose(text []byte, want v1.Platform) (v1.Descriptor, error) {
	var index v1.IndexManifest
	if err := decode(text, &index, "index"); err != nil {
		return v1.Descriptor{}, err
	}
	return chooseOf(index.Manifests, want)
}

// chooseOf is choose for the entries of an index.
func chooseOf(manifests []v1.Descriptor, want v1.Platform) (v1.Descriptor, error) {
	var there []string
	var silent []v1.Descriptor // nothing says what they are for
	for _, d := range manifests {
		switch {
		case attestation(d):
		case d.Platform == nil:
			silent = append(silent, d)
		case suits(*d.Platform, want):
			return d, nil
		default:
			there = append(there, d.Platform.String())
		}
	}
	if len(silent) == 1 { // the configuration or the nested index says it
		return silent[0], nil
	}
	if len(there) == 0 {
		return v1.Descriptor{}, fail(NotFound, "", "the index has no image for %s, and names no other platform", want)
	}
	slices.Sort(there)
	return v1.Descriptor{}, fail(NotFound, "name one of them as the platform", "the index has no image for %s, but for %s", want, strings.Join(slices.Compact(there), ", "))
}

// attestation reports whether an entry of an index is not an image but says something about
// one, as BuildKit adds them.
func attestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" || d.ArtifactType != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// suits reports whether an image for a platform is one for the platform that is wanted.
func suits(has, want v1.Platform) bool {
	variant := has.Variant
	if has.Architecture == "arm64" {
		variant = cmp.Or(variant, "v8")
	}
	return has.OS == want.OS && has.Architecture == want.Architecture && (want.Variant == "" || want.Variant == variant)
}

// imageOf returns the image of a manifest and a configuration, with layers that cannot be
// opened yet. asked says that the caller named the platform.
func imageOf(manifest, config []byte, want v1.Platform, asked bool) (layer.Image, []v1.Descriptor, error) {
	none := func(err error) (layer.Image, []v1.Descriptor, error) { return layer.Image{}, nil, err }
	var m v1.Manifest
	if err := decode(manifest, &m, "manifest"); err != nil {
		return none(err)
	}
	if t := m.Config.MediaType; t != "" && !t.IsConfig() {
		return none(fail(Unsupported, "", "not a container image: its configuration has the type %q", t))
	}
	for i, d := range m.Layers {
		if !layerType(d.MediaType) {
			return none(fail(Unsupported, "", "layer %d has the unsupported type %q", i+1, d.MediaType))
		}
	}
	img, err := configured(config, len(m.Layers), want, asked)
	if err != nil {
		return none(err)
	}
	for i, d := range m.Layers {
		img.Layers[i].Digest = d.Digest.String()
	}
	return img, m.Layers, nil
}

// layerType reports whether a type is that of a tar archive: plain, or compressed with gzip or
// zstd. What compressed it is found in the content.
func layerType(t types.MediaType) bool {
	return t.IsLayer() || slices.Contains([]types.MediaType{
		"", "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
	}, t)
}

// configured returns an image with n layers as its configuration describes it.
func configured(config []byte, n int, want v1.Platform, asked bool) (layer.Image, error) {
	var c struct {
		v1.Platform
		RootFS  v1.RootFS    `json:"rootfs"`
		History []v1.History `json:"history"`
	}
	if err := decode(config, &c, "configuration of the image"); err != nil {
		return layer.Image{}, err
	}
	if n > maxLayers {
		return layer.Image{}, fail(TooLarge, "", "the image has %d layers, more than %d", n, maxLayers)
	}
	if len(c.RootFS.DiffIDs) != n {
		return layer.Image{}, fail(Invalid, "", "the image has %d layers, and its configuration describes %d", n, len(c.RootFS.DiffIDs))
	}
	if c.OS != "" && c.OS != "linux" {
		return layer.Image{}, fail(Unsupported, "", "the image is for %s, and only images for linux are supported", c.Platform)
	}
	if asked && c.OS != "" && !suits(c.Platform, want) {
		return layer.Image{}, fail(NotFound, "leave the platform out, or name that of the image", "the image is for %s, not for %s", c.Platform, want)
	}
	img := layer.Image{Layers: make([]layer.Blob, n)}
	if c.OS != "" {
		img.Platform = v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}.String()
	}
	var commands []string
	for _, h := range c.History {
		if !h.EmptyLayer {
			commands = append(commands, command(h.CreatedBy))
		}
	}
	for i := range img.Layers {
		img.Layers[i].DiffID = c.RootFS.DiffIDs[i].String()
		if len(commands) == n { // else nothing says which command made which layer
			img.Layers[i].CreatedBy = commands[i]
		}
	}
	return img, nil
}

// command returns the command of an entry of the history as in a Dockerfile, without build
// arguments, which may be secret, and shortened.
func command(createdBy string) string {
	s := strings.TrimSuffix(strings.TrimSpace(createdBy), " # buildkit")
	run := strings.HasPrefix(s, "RUN ") // BuildKit's history
	s = strings.TrimPrefix(s, "RUN ")
	if strings.HasPrefix(s, "|") { // |2 a=1 b=2 /bin/sh -c …; nothing separates the values
		run = true
		_, rest, ok := strings.Cut(s, " /bin/sh -c ")
		if !ok {
			return "RUN"
		}
		s = rest
	}
	if rest, ok := strings.CutPrefix(s, "/bin/sh -c "); ok {
		s = strings.TrimSpace(rest)
		run = true
	}
	if rest, ok := strings.CutPrefix(s, "#(nop)"); ok {
		s, run = strings.TrimSpace(rest), false
	}
	if run {
		s = "RUN " + s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxCreatedBy {
		s = s[:maxCreatedBy]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	return s
}

// sum returns an error unless a text has a digest.
func sum(text []byte, want v1.Hash, what string) error {
	got, _, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if got != want {
		return fail(Invalid, "", "the %s has the digest %s, not %s", what, got, want)
	}
	return nil
}

// digestOf returns the digest of a text.
func digestOf(text []byte) (string, error) {
	h, _, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("compute the digest: %w", err)
	}
	return h.String(), nil
}
