package inventories_test

import (
	"bytes"
	"testing"

	"assay/check/inventories"
	"assay/check/testkit"
	"assay/remote/cyclonedx"
)

func TestSystem(t *testing.T) {
	for _, c := range []struct {
		purls       []string
		id, version string
	}{
		{[]string{"pkg:npm/a@1", "pkg:deb/debian/adduser@3.118?arch=all&distro=debian-11"}, "debian", "11"},
		{[]string{"pkg:deb/debian/adduser@3.118?arch=all&distro=debian-11.5"}, "debian", "11"},
		{[]string{"pkg:apk/alpine/musl@1.2.3-r0?distro=3.16.2"}, "alpine", "3.16.2"},
		{[]string{"pkg:rpm/redhat/bash@4.4?distro=redhat-8.6"}, "rhel", "8.6"},
		{[]string{"pkg:rpm/opensuse/bash@4.4?distro=opensuse-leap-15.3"}, "opensuse-leap", "15.3"},
		{[]string{"pkg:npm/a@1?distro=debian-11"}, "", ""},
	} {
		id, version, ok := inventories.Inventory{PURLs: c.purls}.System()
		if id != c.id || version != c.version || ok != (c.id != "") {
			t.Errorf("%q: %q %q %v, want %q %q", c.purls, id, version, ok, c.id, c.version)
		}
	}
}

// Every inventory is a document that the service accepts.
func TestDocument(t *testing.T) {
	testkit.Path(t, "inventories")
	all, err := inventories.All(testkit.Path(t))
	if err != nil {
		t.Fatal(err)
	}
	packages, systems := 0, 0
	for _, i := range all {
		doc, err := i.Document()
		if err != nil {
			t.Fatal(err)
		}
		s, err := cyclonedx.Decode(bytes.NewReader(doc), cyclonedx.DefaultLimits())
		if err != nil {
			t.Fatalf("%s of %s: %v", i.Image, i.Tool, err)
		}
		packages += len(s.Inventory.Packages)
		if s.Inventory.System.ID != "" {
			systems++
		}
	}
	if len(all) != 1846 || packages < 390_000 || systems < 1300 {
		t.Errorf("%d inventories with %d packages, %d of them with a system", len(all), packages, systems)
	}
}
