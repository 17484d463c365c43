package builders

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
)

// TestWordPress builds images with a genuine WordPress and a genuine plugin that has a
// vulnerability: WordPress as Debian's package has installed it, and as its own archive is
// unpacked. The build fails and names the plugin and its fix. With the version that the log
// names, it passes.
func TestWordPress(t *testing.T) {
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started")
	}
	for _, tool := range []string{"dockerd", "docker", "apt-get", "dpkg-deb", runc} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	dir, err := os.MkdirTemp("", "assay") // short, for the path of the engine's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	debian, plugins := wordPressOfDebian(t), testkit.Path(t, "wordpress", "headers", "plugins")
	r := &rig{project: testkit.Root(t), dir: dir}
	r.programs(t)
	config := assayd.Config{Binary: filepath.Join(dir, "assayd-bin"), Data: filepath.Join(dir, "assayd"), Clients: dir}
	advisories := madeUp(t)
	put(t, filepath.Join(advisories, "DEBIAN-CVE-2023-5692.json"), `{"schema_version":"1.7.0","id":"DEBIAN-CVE-2023-5692","upstream":["CVE-2023-5692"],
		"modified":"2025-02-03T04:05:06Z","affected":[{"package":{"ecosystem":"Debian:12","name":"wordpress"},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6.1.6+dfsg1-0+deb12u1"}]}]}]}`)
	if err := config.Import(t.Context(), advisories); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Run(t.Context(), "update", "--source", "cve", "--mirror", "cve="+cveMirror(t)); err != nil {
		t.Fatal(err)
	}
	if r.token, err = config.NewToken(t.Context(), "wordpress"); err != nil {
		t.Fatal(err)
	}
	server, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	r.docker = startDocker(t, dir, "/etc/ssl/certs/ca-certificates.crt")

	own := t.TempDir() // a small Debian in which WordPress has no package
	for path, text := range join(bookworm, packages("curl 7.88.1-10+deb12u14")) {
		put(t, filepath.Join(own, path), text)
	}
	html := filepath.Join(own, "var", "www", "html")
	must(t, nil, nil, "/bin/mkdir", "-p", filepath.Dir(html))
	must(t, nil, nil, "/bin/cp", "-a", filepath.Join(debian, "usr", "share", "wordpress"), html)

	for _, tt := range []struct{ name, root, content, site, medium string }{
		// Debian has fixed CVE-2023-5692 in its 6.1, and the CVE record says up to 6.4.3.
		{"of Debian", debian, "var/lib/wordpress/wp-content", "/usr/share/wordpress", "left to the distribution "},
		{"of its own archive", own, "var/www/html/wp-content", "/var/www/html", "below high "},
	} {
		context := t.TempDir()
		must(t, nil, nil, "/bin/cp", "-a", tt.root, filepath.Join(context, "root"))
		must(t, nil, nil, "/bin/cp", filepath.Join(dir, "assay"), context)
		folder := filepath.Join(context, "root", tt.content, "plugins")
		must(t, nil, nil, "/bin/mkdir", "-p", folder)
		for _, slug := range []string{"litespeed-cache", "two-factor"} {
			must(t, nil, nil, "/bin/cp", "-r", filepath.Join(plugins, slug), folder)
		}
		t.Run(tt.name, func(t *testing.T) {
			b := debianBuildKit{r.docker}
			build := func() outcome {
				return b.build(t, job{context: context, args: map[string]string{"ASSAY_TOKEN": r.token}, noCache: true,
					dockerfile: "FROM scratch\nCOPY root /\nCOPY assay /assay\nARG ASSAY_TOKEN\nRUN [\"/assay\", \"--server\", \"" + server.URL + "\"]\n"})
			}
			main := filepath.Join(folder, "litespeed-cache", "litespeed-cache.php")
			vulnerable, err := os.ReadFile(main)
			if err != nil {
				t.Fatal(err)
			}
			defer put(t, main, string(vulnerable))
			got := build()
			wantFindings(t, b, got)
			log := b.step(got.log)
			fix := regexp.MustCompile(`wp plugin update litespeed-cache --version=(\S+) --path=(\S+)`).FindStringSubmatch(log)
			if fix == nil || fix[1] != "6.4" || fix[2] != tt.site {
				t.Fatalf("the fix is %q:\n%s", fix, log)
			}
			if !strings.Contains(log, tt.medium) || !strings.Contains(log, "CVE-2024-28000") || strings.Contains(log, "two-factor") || strings.Contains(log, "wp core update") {
				t.Errorf("not one plugin, CVE-2024-28000, alone:\n%s", log)
			}
			updated := bytes.Replace(vulnerable, []byte("6.3.0.1"), []byte(fix[1]), 1)
			put(t, main, string(updated))
			t.Logf("the last ten lines:\n%s", last(log, 10))
			if got := build(); got.code != 0 || !strings.Contains(got.log, "PASS, exit code 0") {
				t.Errorf("after the update: exit code %d\n%s", got.code, last(got.log, 40))
			}
		})
	}
}

// put writes a file, and makes its folder.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, nil, nil, "/bin/mkdir", "-p", filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wordPressOfDebian returns a root with Debian's package of WordPress: its files, and dpkg's
// records of them.
func wordPressOfDebian(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "apt-get", "download", "wordpress")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		testkit.Missing(t, "Debian's package wordpress: %v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "wordpress_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	root, control := filepath.Join(dir, "root"), filepath.Join(dir, "control")
	must(t, nil, nil, "dpkg-deb", "--extract", found[0], root)
	must(t, nil, nil, "dpkg-deb", "--control", found[0], control)
	for path, text := range bookworm {
		put(t, filepath.Join(root, path), text)
	}
	stanza, err := os.ReadFile(filepath.Join(control, "control"))
	if err != nil {
		t.Fatal(err)
	}
	info := filepath.Join(root, "var", "lib", "dpkg", "info")
	put(t, filepath.Join(root, "var", "lib", "dpkg", "status"),
		"Status: install ok installed\n"+string(stanza)+"\n"+packages("curl 7.88.1-10+deb12u14")["var/lib/dpkg/status"])
	var list strings.Builder
	for line := range strings.Lines(must(t, nil, nil, "dpkg-deb", "--contents", found[0])) {
		fields := strings.Fields(line)
		list.WriteString(strings.TrimSuffix(strings.TrimPrefix(fields[5], "."), "/") + "\n")
	}
	put(t, filepath.Join(info, "wordpress.list"), list.String())
	must(t, nil, nil, "/bin/cp", filepath.Join(control, "md5sums"), filepath.Join(info, "wordpress.md5sums"))
	return root
}

// cveMirror makes a mirror of the CVE list with the genuine records about WordPress, and
// returns its folder.
func cveMirror(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	pack := func(files map[string][]byte) []byte {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for name, content := range files {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	records := map[string][]byte{}
	for _, from := range []string{"vulnrichment", "cvelistV5"} {
		files, err := filepath.Glob(testkit.Path(t, "wordpress", "cve5", from) + "/CVE-*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%d records, %v", len(files), err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			id := filepath.Base(file)
			year, number, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(id, "CVE-"), ".json"), "-")
			records["cves/"+year+"/"+number[:len(number)-3]+"xxx/"+id] = b
		}
	}
	now := time.Now().UTC()
	change := func(at time.Time) string {
		return `{"fetchTime":"` + at.Format(time.RFC3339) + `","new":[],"updated":[]}`
	}
	put(t, filepath.Join(dir, "raw", "main", "cves", "deltaLog.json"), "["+change(now.Add(-time.Hour))+","+change(now.AddDate(0, 0, -30))+"]")
	put(t, filepath.Join(dir, "releases", "latest", "download", now.Format("2006-01-02")+"_all_CVEs_at_midnight.zip.zip"),
		string(pack(map[string][]byte{"cves.zip": pack(records)})))
	return dir
}
