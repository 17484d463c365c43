package builders

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
)

// foreign makes a folder that holds what another image has: databases of apk,
// rpm and dpkg, and a package of npm where this machine has one.
func foreign(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	all, err := pkgdb.All(testkit.Path(t, "pkgdb"))
	if err != nil {
		t.Fatal(err)
	}
	laid := 0
	for _, db := range all {
		switch db.String() {
		case "apk/alpine-3.11", "rpm/fedora35-sqlite", "dpkg/claircore-postgresql":
			if err := db.Lay(filepath.Join(dir, db.Kind)); err != nil {
				t.Fatal(err)
			}
			laid++
		}
	}
	if laid != 3 {
		t.Fatalf("%d databases of 3 in the test data", laid)
	}
	node := filepath.Join(dir, "node")
	if err := os.MkdirAll(node, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, semver := range []string{"/usr/share/nodejs/semver", "/usr/lib/node_modules/npm/node_modules/semver", "/usr/local/lib/node_modules/npm/node_modules/semver"} {
		if _, err := os.Stat(semver); err == nil {
			must(t, nil, nil, "/bin/cp", "-rL", semver, node)
			break
		}
	}
	return dir
}

// testMounts checks that the inventory leaves out what a step mounts, and includes the
// same files if they are copied into the image.
func testMounts(t *testing.T, r *rig) {
	context := foreign(t)
	dockerfile := `FROM ` + base + ` AS assay
ADD --chmod=755 ` + r.service.URL + `/assay /
RUN chmod +x /assay

FROM scratch AS foreign
COPY . /

FROM ` + base + ` AS plain
RUN --mount=type=bind,from=assay,target=/.assay /.assay/assay inventory >/inventory.json

FROM ` + base + ` AS mounted
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=cache,target=/usr/lib/apk/db,from=foreign,source=/apk/lib/apk/db \
    --mount=type=bind,from=foreign,source=/rpm/var/lib/rpm,target=/usr/lib/sysimage/rpm \
    --mount=type=bind,from=foreign,source=/node,target=/srv/node_modules \
    --mount=type=secret,id=assay_token,target=/usr/lib/dpkg/status \
    --mount=type=tmpfs,target=/var/lib/rpm \
    cp /usr/lib/sysimage/rpm/* /var/lib/rpm && \
    test -s /usr/lib/apk/db/installed && test -s /usr/lib/dpkg/status && \
    /.assay/assay inventory >/inventory.json

FROM ` + base + ` AS copied
COPY --from=foreign /apk/lib/apk/db /usr/lib/apk/db
COPY --from=foreign /rpm/var/lib/rpm /usr/lib/sysimage/rpm
COPY --from=foreign /node /srv/node_modules
COPY --from=foreign /dpkg/var/lib/dpkg/status /usr/lib/dpkg/status
RUN --mount=type=bind,from=assay,target=/.assay /.assay/assay inventory >/inventory.json

FROM scratch
COPY --from=plain /inventory.json /plain.json
COPY --from=mounted /inventory.json /mounted.json
COPY --from=copied /inventory.json /copied.json
`
	for _, b := range r.differing()[1:] { // the classic one has no mounts
		t.Run(b.name(), func(t *testing.T) {
			out := t.TempDir()
			mustBuild(t, b, job{
				dockerfile: dockerfile, context: context, output: out,
				secret: filepath.Join(context, "dpkg/var/lib/dpkg/status"),
			})
			inventory := func(name string) []byte {
				t.Helper()
				text, err := os.ReadFile(filepath.Join(out, name))
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			plain, mounted := inventory("plain.json"), inventory("mounted.json")
			if !bytes.Equal(plain, mounted) {
				t.Errorf("%v without the mounts, %v with them", kinds(t, plain), kinds(t, mounted))
			}
			was, copied := kinds(t, plain), kinds(t, inventory("copied.json"))
			if was["deb"] == 0 || was["apk"]+was["rpm"] > 0 || copied["apk"] == 0 || copied["rpm"] == 0 || copied["deb"] <= was["deb"] {
				t.Errorf("%v, and %v with the files copied: nothing is shown", was, copied)
			}
		})
	}
}

// testVolume checks that a VOLUME of the base, which the classic builder mounts
// for the step, stays in the inventory: it holds the image's own files.
func testVolume(t *testing.T, r *rig) {
	b := classic{r.docker}
	context := foreign(t)
	lines := "FROM " + base + "\nCOPY apk/lib/apk/db /usr/lib/apk/db\n"
	mustBuild(t, b, job{dockerfile: lines, context: context, tag: "no-volume"})
	mustBuild(t, b, job{dockerfile: lines + "VOLUME /usr/lib/apk/db\n", context: context, tag: "volume"})
	inventory := func(from, before string) []byte {
		t.Helper()
		mustBuild(t, b, job{dockerfile: "FROM " + from + "\nADD " + r.service.URL + "/assay /\nRUN chmod +x /assay\n" +
			"RUN " + before + "grep -q ' /usr/lib/apk/db ' /proc/self/mounts && /assay inventory >/inventory.json\n", tag: "listed"})
		text, err := os.ReadFile(r.copyOut(t, "listed", "/inventory.json"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	want, got := inventory("no-volume", "! "), inventory("volume", "")
	if kinds(t, want)["apk"] == 0 || !bytes.Equal(got, want) {
		t.Errorf("%v without VOLUME, %v with it", kinds(t, want), kinds(t, got))
	}
}

// kinds counts the packages of an inventory by the type of their purl.
func kinds(t *testing.T, text []byte) map[string]int {
	t.Helper()
	var doc struct{ Components []struct{ PURL string } }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	n := map[string]int{}
	for _, c := range doc.Components {
		if kind, _, ok := strings.Cut(strings.TrimPrefix(c.PURL, "pkg:"), "/"); ok {
			n[kind]++
		}
	}
	return n
}

// testKaniko runs assay as a step of kaniko does: in the image's own root, started by the
// executor in kaniko's folder. The folder has packages and an unreadable part. Neither is
// reported, while the same in another folder is.
func testKaniko(t *testing.T, r *rig) {
	source := filepath.Join(t.TempDir(), "main.go")
	text := `package main

import (
	"os"
	"os/exec"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if cmd.Run() != nil {
		os.Exit(1)
	}
}
`
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	executor := filepath.Join(filepath.Dir(source), "executor")
	must(t, append(os.Environ(), "CGO_ENABLED=0"), nil, "go", "build", "-o", executor, source)
	inventory := func(folder string) string {
		t.Helper()
		root := t.TempDir()
		place := filepath.Join(root, folder)
		for _, dir := range []string{filepath.Join(root, "etc"), filepath.Join(root, "var/lib"), filepath.Join(place, "locked")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		must(t, nil, nil, "/bin/cp", filepath.Join(r.root, "usr/lib/os-release"), filepath.Join(root, "etc"))
		must(t, nil, nil, "/bin/cp", "-a", filepath.Join(r.root, "var/lib/dpkg"), filepath.Join(root, "var/lib"))
		must(t, nil, nil, "/bin/cp", "-a", foreign(t), filepath.Join(place, "image"))
		must(t, nil, nil, "/bin/cp", executor, filepath.Join(place, "executor"))
		must(t, nil, nil, "/bin/cp", r.client(t), filepath.Join(root, "assay"))
		for path, mode := range map[string]os.FileMode{root: 0o755, filepath.Join(place, "locked"): 0o700} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		return must(t, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, nil, "unshare", "--mount", "/bin/sh", "-ec", `
mkdir -p "$1/proc"
mount --rbind /proc "$1/proc"
exec chroot --userspec=65534:65534 "$1" "$2/executor" /assay inventory`, "sh", root, "/"+folder)
	}
	if got := inventory("srv"); !strings.Contains(got, "not read: directory /srv/locked") {
		t.Fatalf("an unreadable folder is not reported:\n%s", last(got, 5))
	}
	if got := inventory("kaniko"); strings.Contains(got, "kaniko") {
		t.Errorf("kaniko's folder is reported:\n%s", got)
	}
}
