package cli

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"assay/inspect/inventory"
)

func TestGuessBuilder(t *testing.T) {
	const mounts = "104 100 254:0 /var/lib/buildkit/runc-overlayfs/snapshots/snapshots/12/fs /src rw - ext4 /dev/vda rw\n"
	for _, tt := range []struct {
		kaniko bool
		marks  []string
		mounts string
		want   string
	}{
		{true, []string{"/kaniko", "/.dockerenv"}, mounts, "kaniko"},
		{false, []string{"/kaniko", "/.dockerenv"}, "", "docker"},
		{false, []string{"/.dockerenv"}, mounts, "BuildKit"},
		{false, []string{"/run/.containerenv"}, "", "podman"},
		{false, []string{"/.dockerenv"}, "", "docker"},
		{false, nil, "", "unknown"},
	} {
		got := guessBuilder(tt.kaniko, func(path string) bool { return slices.Contains(tt.marks, path) }, tt.mounts)
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("kaniko %v, marks %q, mounts %q: %q, want %q", tt.kaniko, tt.marks, tt.mounts, got, tt.want)
		}
	}
}

func TestDiagnosis(t *testing.T) {
	var b bytes.Buffer
	d := &diagnosis{w: &b}
	d.ok("slot", "%s", "https://a\x1b[31m")
	d.bad("token", usage("copy it", "the token is %s", "short"))
	d.bad("connect", errors.New("refused"))
	d.mounts("1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:1 / /run/secrets/t rw - tmpfs t rw\n", "/")
	want := `ok   slot      https://a\u001b[31m
bad  token     the token is short
     hint: copy it
bad  connect   refused
     hint: run it again, or run assay doctor instead of the scan to find the cause
ok   mounts    left out: /run/secrets/t
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	if d.code != codeUsage || d.bads != 2 || d.seen != 4 {
		t.Errorf("code %d, %d of %d bad", d.code, d.bads, d.seen)
	}
}

func TestSummarise(t *testing.T) {
	got := summarise([]inventory.Package{
		{Type: "npm", Name: "a", Evidence: []inventory.Evidence{{Path: "x/package.json"}}},
		{Type: "deb", Name: "b", Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status"}}},
		{Type: "deb", Name: "c", Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status"}}},
	})
	if want := "2 deb (/var/lib/dpkg/status), 1 npm (/x/package.json)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := summarise(nil); got != "none" {
		t.Errorf("%q", got)
	}
}
