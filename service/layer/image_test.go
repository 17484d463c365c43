package layer_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/imagetest"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/layer"
	"assay/service/layer/source"
)

// brought are packages of some images, and the layers that brought them.
func brought() map[string]map[string]int {
	return map[string]map[string]int{
		"plain":            {"gzip 1.12-1": 0, "lodash 4.17.20": 0},
		"opaque-folder":    {"gzip 1.12-1": 0, "Jinja2 2.0": 0},
		"removed-file":     {"gzip 1.12-1": 0, "urllib3 1.0": 0},
		"changed-database": {"gzip 99-1": 1, "perl-base 5.36.0-7+deb12u3": 0},
		"moved-database":   {"gzip 1.12-1": 0},
		"hard-links":       {"stdlib in usr/local/bin/three": 2, "stdlib in usr/local/bin/two": 3, "lodash 4.17.20": 1},
		"through-links":    {"c 1.0.0": 1, "d 1.0.0": 2},
		"renamed-folder":   {"lodash 4.17.20": 1, "gzip 1.12-1": 0},
		"125-layers":       {"gzip 1.12-1": 0, "lodash 4.17.20": 0},
	}
}

// The inventory of an image is that of the filesystem that the engine makes of it.
func TestImages(t *testing.T) {
	engine := imagetest.Start(t)
	for _, r := range imagetest.Recipes() {
		t.Run(r.Name, func(t *testing.T) {
			image := engine.Build(t, r)
			img, close, err := source.Archive{Path: engine.Save(t, image)}.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer close()
			if len(img.Layers) != r.Layers {
				t.Errorf("%d layers, want %d", len(img.Layers), r.Layers)
			}
			got, err := layer.Inspect(t.Context(), t.TempDir(), img, layer.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			want, err := inspect.Inspect(t.Context(), engine.Export(t, image), inspect.Options{Mounts: strings.NewReader("")})
			if err != nil {
				t.Fatal(err)
			}
			if len(want.Packages) < 4 {
				t.Errorf("%d packages: nothing is compared", len(want.Packages))
			}
			wantLayers(t, got, brought()[r.Name])
			compare(t, got.Inventory, want)
		})
	}
}

// compare compares what an image contains, without the layers that brought it.
func compare(t *testing.T, got, want inventory.Inventory) {
	t.Helper()
	got.Packages = slices.Clone(got.Packages)
	for i := range got.Packages {
		if got.Packages[i].Layer == "" {
			t.Errorf("%s %s has no layer", got.Packages[i].Name, got.Packages[i].Version)
		}
		got.Packages[i].Layer = ""
	}
	a, b := encode(t, got), encode(t, want)
	if !bytes.Equal(a, b) {
		t.Errorf("the image has\n%s\nwant\n%s", a, b)
	}
}

func encode(t *testing.T, inv inventory.Inventory) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := cyclonedx.Encode(&b, cyclonedx.Scan{Inventory: inv}); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(b.Bytes(), []byte(`},{`), []byte("},\n{"))
}

func wantLayers(t *testing.T, got layer.Result, brought map[string]int) {
	t.Helper()
	for name, i := range brought {
		found := false
		for _, p := range got.Inventory.Packages {
			if p.Name+" "+p.Version != name && p.Name+" in "+p.EmbeddedIn != name {
				continue
			}
			found = true
			if want := got.Layers[i].DiffID; p.Layer != want {
				t.Errorf("%s has layer %s, want %d, %s", name, p.Layer, i, want)
			}
		}
		if !found {
			t.Errorf("%s was not found", name)
		}
	}
}
