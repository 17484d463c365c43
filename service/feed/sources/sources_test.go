package sources_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/check/testkit/osvtest"
	"assay/check/testkit/wordfencetest"
	"assay/check/testkit/xztest"
	"assay/service/feed"
	"assay/service/feed/sources"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A fixture is what a server of a source has.
type fixture struct {
	files map[string][]byte // by name; a name may end with a query, or with "?*" for any other
	// records is how many the store has after an update.
	records int
	// tolerated are the files without which an update may succeed, with the reason.
	tolerated map[string]string
}

// fixtures has an entry for each source.
var fixtures = map[string]func(t *testing.T) fixture{
	"osv": func(t *testing.T) fixture {
		dir := t.TempDir()
		if err := osvtest.WriteMirror(dir, "CRAN"); err != nil {
			t.Fatal(err)
		}
		return fixture{files: folder(t, dir), records: 14}
	},
	"kev": func(t *testing.T) fixture {
		name := "known_exploited_vulnerabilities.json"
		return fixture{files: map[string][]byte{name: read(t, "feeds", "kev", name)}, records: 1404}
	},
	"epss": func(t *testing.T) fixture {
		packed := compress(t, read(t, "feeds", "epss", "vunnel", "example-1.csv"))
		return fixture{files: map[string][]byte{"epss_scores-current.csv.gz": packed}, records: 5}
	},
	"cve": func(t *testing.T) fixture {
		const file = "raw/main/cves/2023/45xxx/CVE-2023-45628.json"
		records := map[string][]byte{strings.TrimPrefix(file, "raw/main/"): read(t, "feeds", "cve5", "wordpress-plugin-CVE-2023-45628.json")}
		for _, id := range []string{"CVE-2020-25213", "CVE-2020-35489", "CVE-2023-28121", "CVE-2023-5561"} {
			records["cves/"+id+".json"] = read(t, "wordpress", "cve5", "cvelistV5", id+".json")
		}
		change := `{"cveId":"CVE-2023-45628","dateUpdated":"2023-10-18T13:28:45.142Z"}`
		return fixture{
			files: map[string][]byte{
				"raw/main/cves/deltaLog.json": []byte(`[{"fetchTime":"2026-12-01T00:30:00Z","updated":[` + change + `],"new":[]},` +
					`{"fetchTime":"2026-11-01T00:00:00Z","new":[` + change + `],"updated":[]}]`),
				"releases/latest/download/2026-12-01_all_CVEs_at_midnight.zip.zip": zipped(t, map[string][]byte{"cves.zip": zipped(t, records)}),
				file: records[strings.TrimPrefix(file, "raw/main/")],
			},
			records:   5,
			tolerated: map[string]string{file: "the archive has the record, and a later update fetches it again"},
		}
	},
	"nvd": func(t *testing.T) fixture {
		var page struct {
			Start           int               `json:"startIndex"`
			Total           int               `json:"totalResults"`
			Format          string            `json:"format"`
			Version         string            `json:"version"`
			Vulnerabilities []json.RawMessage `json:"vulnerabilities"`
		}
		encoded := func() []byte {
			page.Total = len(page.Vulnerabilities)
			b, err := json.Marshal(page)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		z, err := zip.OpenReader(testkit.Path(t, "feeds", "nvd", "vunnel.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		f, err := z.Open("full-page.json")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := json.NewDecoder(f).Decode(&page); err != nil {
			t.Fatal(err)
		}
		page.Vulnerabilities = page.Vulnerabilities[:6]
		files := map[string][]byte{"cves/2.0?resultsPerPage=2000&startIndex=0": encoded()}
		page.Vulnerabilities = page.Vulnerabilities[:0]
		files["cves/2.0?*"] = encoded() // the changes of some time
		return fixture{files: files, records: 6}
	},
	"nvd-overrides": func(t *testing.T) fixture {
		f, err := os.Open(testkit.Path(t, "feeds", "nvd-overrides", "main.tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		from, to := tar.NewReader(z), tar.NewWriter(&buf)
		for n := 0; n < 12; {
			h, err := from.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(h.Name, ".json") {
				continue
			}
			n++
			if err := to.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(to, from); err != nil {
				t.Fatal(err)
			}
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		return fixture{files: map[string][]byte{"main.tar.gz": compress(t, buf.Bytes())}, records: 12}
	},
	"wordfence": func(t *testing.T) fixture {
		production, n := wordfencetest.Production(t)
		return fixture{files: map[string][]byte{"production": production, "scanner": production}, records: n}
	},
	"wpvulnerability": func(*testing.T) fixture {
		entry := func(uuid, end string) string {
			return `{"uuid":"` + uuid + `","name":"Contact Form 7","operator":{"max_version":"` + end + `","max_operator":"lt","unfixed":"0"},"impact":[],"source":[]}`
		}
		answer := `{"error":0,"data":{"plugin":"contact-form-7","vulnerability":[` + entry("a1", "5.3.2") + "," + entry("b2", "5.9.2") + `]},"updated":1781708619}`
		return fixture{files: map[string][]byte{"plugin/contact-form-7/": []byte(answer)}, records: 2}
	},
	"drupal": func(t *testing.T) fixture {
		return fixture{files: map[string][]byte{"HEAD.tar.gz": tarball(t, "wordpress", "feeds", "drupal", "osv")}, records: 48}
	},
	"alpine": func(t *testing.T) fixture {
		files := map[string][]byte{"": []byte(`<html><body><a href="../">../</a> <a href="v3.4/">v3.4/</a> <a href="v3.5/">v3.5/</a></body></html>`)}
		for _, name := range []string{"v3.4/main.json", "v3.4/community.json", "v3.5/main.json", "v3.5/community.json"} {
			files[name] = read(t, "feeds", "alpine-secdb", name)
		}
		return fixture{files: files, records: 1000}
	},
	"photon": func(t *testing.T) fixture {
		files := map[string][]byte{}
		for _, name := range []string{"photon_versions.json", "cve_data_photon1.0.json", "cve_data_photon2.0.json", "cve_data_photon3.0.json"} {
			files[name] = member(t, "testdata/"+name, "feeds", "photon", "vuln-list-update.zip")
		}
		return fixture{files: files, records: 15}
	},
	"arch": func(t *testing.T) fixture {
		file := bytes.TrimSpace(read(t, "feeds", "arch", "vunnel", "input", "arch-advisories", "all.json"))
		return fixture{files: map[string][]byte{"all.json": file}, records: 5}
	},
	"echo": func(t *testing.T) fixture {
		return fixture{files: map[string][]byte{"data.json": member(t, "input/echo-advisories/data.json", "feeds", "echo", "vunnel.zip")}, records: 25}
	},
	"fedora": func(t *testing.T) fixture {
		files := map[string][]byte{}
		for i, release := range []string{"43", "44"} {
			feedtest.AddRepository(t, files, release+"/Everything/x86_64/", updateinfo(fmt.Sprintf("FEDORA-2026-%d", 2*i)))
			feedtest.AddRepository(t, files, release+"/Everything/aarch64/", updateinfo(fmt.Sprintf("FEDORA-2026-%d", 2*i+1)))
		}
		return fixture{files: files, records: 4}
	},
	// The test data has no file of Wolfi. That of MinimOS has the same form.
	"wolfi": func(t *testing.T) fixture {
		file := member(t, "input/secdb/security.json", "feeds", "minimos", "vunnel.zip")
		return fixture{files: map[string][]byte{"security.json": bytes.Replace(file, []byte("packages.mini.dev"), []byte("packages.wolfi.dev"), 1)}, records: 59}
	},
	"minimos": func(t *testing.T) fixture {
		return fixture{files: map[string][]byte{"security.json": member(t, "input/secdb/security.json", "feeds", "minimos", "vunnel.zip")}, records: 59}
	},
	"secureos": func(t *testing.T) fixture {
		packed := compress(t, member(t, "input/secdb/secdb.json", "feeds", "secureos", "vunnel.zip"))
		return fixture{files: map[string][]byte{"secdb.json.gz": packed}, records: 17}
	},
	"redhat": func(t *testing.T) fixture {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, id := range []string{"2024-0727-openssl", "2026-0968", "2026-2673", "2026-27142"} {
			name, body := strings.TrimSuffix(id, "-openssl"), read(t, "feeds", "redhat-csaf-vex", "claircore-acceptance-cve-"+id+".json")
			h := &tar.Header{Typeflag: tar.TypeReg, Name: name[:4] + "/cve-" + name + ".json", Size: int64(len(body)), Mode: 0o644}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		const changed = "2026/cve-2026-27142.json"
		return fixture{
			files: map[string][]byte{
				"csaf/v2/vex/archive_latest.txt":          []byte("csaf_vex_2026-11-30.tar.zst\n"),
				"csaf/v2/vex/csaf_vex_2026-11-30.tar.zst": z.EncodeAll(b.Bytes(), nil),
				"csaf/v2/vex/changes.csv":                 []byte(`"` + changed + `","2026-11-30T10:00:00+00:00"` + "\n"),
				"csaf/v2/vex/deletions.csv":               []byte(`"2026/cve-2026-9999.json","2026-11-30T11:00:00+00:00"` + "\n"),
				"csaf/v2/vex/" + changed:                  read(t, "feeds", "redhat-csaf-vex", "claircore-acceptance-cve-2026-27142.json"),
				"metrics/repository-to-cpe.json":          member(t, "oval/testdata/happy/repository-to-cpe.json", "feeds", "redhat", "vuln-list-update.zip"),
			},
			records: 5, // four documents and the table of repositories
			tolerated: map[string]string{
				"csaf/v2/vex/" + changed:    "the archive has the document, and a later update fetches it again",
				"csaf/v2/vex/deletions.csv": "there may be no deletions",
			},
		}
	},
	"endoflife": func(t *testing.T) fixture {
		return fixture{files: map[string][]byte{"products/full": read(t, "feeds", "eol", "vuln-list-update", "testdata", "eoldata.json")}, records: 3}
	},
	"debian": func(t *testing.T) fixture {
		tracker := zipMember(t, "input/debian.json", "feeds", "debian-tracker", "vunnel.zip")
		return fixture{files: map[string][]byte{"data/json": tracker}, records: 6}
	},
	"ubuntu": func(t *testing.T) fixture {
		one := func(name string) []byte {
			var buf bytes.Buffer
			b := zipMember(t, name, "feeds", "ubuntu", "vunnel.zip")
			w := tar.NewWriter(&buf)
			err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(b)), Mode: 0o644})
			if err == nil {
				_, err = w.Write(b)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			return xztest.Pack(buf.Bytes(), 8)
		}
		return fixture{files: map[string][]byte{
			"osv/osv-all.tar.xz": one("osv/cve/2021/UBUNTU-CVE-2021-3782.json"),
			"vex/vex-all.tar.xz": one("vex/cve/2023/CVE-2023-38545.json"),
		}, records: 1}
	},
	"oracle": func(t *testing.T) fixture {
		erratum := zipMember(t, "testdata/elsa-2018-1196-1.xml.bz2", "feeds", "oracle-oval", "vuln-list-update.zip")
		return fixture{files: map[string][]byte{"com.oracle.elsa-all.xml.bz2": erratum}, records: 1}
	},
	"amazon": func(t *testing.T) fixture {
		files := map[string][]byte{"2/extras-catalog.json": []byte(`{"topics":[{"n":"docker"}]}`)}
		// Several lists name the same repository, to keep the test short.
		for folder, lists := range map[string][]string{
			"2/guid/":      {"2/core/latest/x86_64", "2/core/latest/aarch64", "2/extras/docker/latest/x86_64"},
			"al2023/guid/": {"al2023/core/mirrors/latest/x86_64", "al2023/core/mirrors/latest/aarch64", "al2023/kernel-livepatch/mirrors/latest/x86_64"},
		} {
			feedtest.AddRepository(t, files, folder, updateinfo("ALAS2-2024-"+strconv.Itoa(len(folder))))
			for _, list := range lists {
				files[list+"/mirror.list"] = []byte("https://cdn.amazonlinux.com/" + folder)
			}
		}
		return fixture{files: files, records: 2}
	},
	"amazon-1": func(t *testing.T) fixture {
		files := map[string][]byte{}
		feedtest.AddRepository(t, files, "", updateinfo("ALAS-2018-1"))
		return fixture{files: files, records: 1}
	},
	"rocky": func(t *testing.T) fixture {
		files := map[string][]byte{}
		for i, minor := range []string{"vault/rocky/8.4", "pub/rocky/9.0", "pub/rocky/10.0"} {
			feedtest.AddRepository(t, files, minor+"/BaseOS/x86_64/os/", updateinfo(fmt.Sprintf("RLSA-2024:%d", 2*i)))
			feedtest.AddRepository(t, files, minor+"/AppStream/x86_64/os/", updateinfo(fmt.Sprintf("RLSA-2024:%d", 2*i+1)))
		}
		return fixture{files: files, records: 6}
	},
	"almalinux": func(*testing.T) fixture {
		files := map[string][]byte{}
		for _, release := range []string{"8", "9", "10"} {
			files[release+"/errata.full.json"] = []byte(`{"schema_version":"1.0","data":[{"id":"ALSA-2024:` + release + `","title":"Important: a security update","type":"security",` +
				`"packages":[{"name":"a","epoch":"0","version":"1.2","release":"3","arch":"x86_64"}],"references":[{"id":"CVE-2024-1000","type":"cve"}]}]}`)
		}
		return fixture{files: files, records: 3}
	},
	"azurelinux": func(t *testing.T) fixture {
		return fixture{files: map[string][]byte{
			"azurelinux-3.0-oval.xml":  read(t, "feeds", "azure-linux", "vunnel", "azure-linux-truncated-3.0-oval.xml"),
			"cbl-mariner-2.0-oval.xml": read(t, "feeds", "azure-linux", "vunnel", "mariner-truncated-2.0-oval.xml"),
			"cbl-mariner-1.0-oval.xml": zipMember(t, "testdata/happy/cbl-mariner-1.0-oval.xml", "feeds", "azure-linux", "vuln-list-update.zip"),
		}, records: 11}
	},
	"suse": func(t *testing.T) fixture {
		const name = "suse.linux.enterprise.12-affected.xml.gz"
		list := []byte(`<html><body><pre><a href="../">../</a> <a href="` + name + `">` + name + `</a> 26-Nov-2026 05:26 11M</pre></body></html>`)
		// The first definition of a genuine document, with everything that it refers to.
		doc := unpack(t, read(t, "feeds", "suse-oval", "claircore-suse.linux.enterprise.desktop.10.xml.gz"))
		before, rest, _ := bytes.Cut(doc, []byte("</definition>"))
		_, after, ok := bytes.Cut(rest, []byte("</definitions>"))
		if !ok {
			t.Fatal("no definitions")
		}
		doc = slices.Concat(before, []byte("</definition></definitions>"), after)
		return fixture{files: map[string][]byte{"": list, name: compress(t, doc)}, records: 1}
	},
	"jenkins": func(t *testing.T) fixture {
		warnings := read(t, "wordpress", "feeds", "jenkins", "warnings.json")
		file := slices.Concat([]byte(`{"core":{},"plugins":{},"warnings":`), warnings, []byte("}"))
		return fixture{files: map[string][]byte{"update-center.actual.json": file}, records: 1511}
	},
}

// updateinfo returns an updateinfo.xml with one erratum.
func updateinfo(id string) string {
	return `<updates><update status="final" type="security"><id>` + id + `</id><title>Important: a security update</title>` +
		`<issued date="2024-01-02 03:04:05"/><severity>Important</severity><references><reference id="CVE-2024-1000" type="cve"/></references>` +
		`<pkglist><collection><package name="a" epoch="0" version="1.2" release="3" arch="x86_64" src="a-1.2-3.src.rpm"/></collection></pkglist></update></updates>`
}

// namesOf returns the names that a source is asked for.
func namesOf(s feed.Source) []string {
	if !s.Names {
		return nil
	}
	return []string{"plugin/contact-form-7"}
}

// zipped returns a zip archive of files.
func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, b := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipMember reads a file of an archive of the test data.
func zipMember(t *testing.T, name string, elem ...string) []byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read reads a file of the test data.
func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// member reads a file of an archive of the test data, without space at its end.
func member(t *testing.T, name string, elem ...string) []byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// folder reads all files of a folder.
func folder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, err2 := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = b
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func compress(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func unpack(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// tarball packs a folder of the test data as GitHub packs a repository.
func tarball(t *testing.T, elem ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range folder(t, testkit.Path(t, elem...)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "repository-0123456/" + name, Size: int64(len(body)), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return compress(t, b.Bytes())
}

// A fault answers a request with the wrong content.
type fault func(w http.ResponseWriter, r *http.Request, good []byte)

func send(w http.ResponseWriter, b []byte) { _, _ = w.Write(b) } // the client may be gone

// drip writes parts for as long as the client listens.
func drip(w http.ResponseWriter, r *http.Request, part []byte, every time.Duration) {
	for r.Context().Err() == nil {
		send(w, part)
		w.(http.Flusher).Flush()
		time.Sleep(every)
	}
}

func faults(t *testing.T, foreign []byte) map[string]fault {
	return map[string]fault{
		"missing": func(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) },
		"empty":   func(http.ResponseWriter, *http.Request, []byte) {},
		"a page": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Type", "text/html")
			send(w, []byte("<!DOCTYPE html>\n<html><body>Log in to the network</body></html>\n"))
		},
		"truncated": func(w http.ResponseWriter, _ *http.Request, good []byte) { send(w, good[:len(good)*2/3]) },
		"interrupted": func(w http.ResponseWriter, _ *http.Request, good []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			send(w, good[:len(good)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"of another source": func(w http.ResponseWriter, _ *http.Request, _ []byte) { send(w, foreign) },
		"endless": func(w http.ResponseWriter, r *http.Request, good []byte) {
			send(w, good)
			drip(w, r, bytes.Repeat([]byte(" "), 4<<10), time.Millisecond)
		},
		"slow":   func(w http.ResponseWriter, r *http.Request, good []byte) { drip(w, r, good[:1], 20*time.Millisecond) },
		"silent": func(w http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() },
		"wrongly compressed": func(w http.ResponseWriter, _ *http.Request, good []byte) {
			packed := compress(t, good)
			packed[len(packed)-6] ^= 0xff // its checksum
			send(w, packed)
		},
		"busy": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		},
	}
}

// A server has the files of a fixture, one of which may have a fault.
type server struct {
	mu     sync.Mutex
	files  map[string][]byte
	faulty string
	fault  fault
	hit    bool // the faulty file was requested
}

func (s *server) set(faulty string, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faulty, s.fault, s.hit = faulty, f, false
}

func (s *server) wasHit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hit
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if r.URL.RawQuery != "" {
		name += "?" + r.URL.RawQuery
	}
	good, ok := s.files[name]
	if path, _, query := strings.Cut(name, "?"); !ok && query {
		name = path + "?*"
		good, ok = s.files[name]
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	f := s.fault
	if name != s.faulty {
		f = nil
	}
	s.hit = s.hit || f != nil
	s.mu.Unlock()
	if f != nil {
		f(w, r, good)
		return
	}
	sum := sha256.Sum256(good)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(good))
}

// A rig updates one source into one store.
type rig struct {
	t       *testing.T
	source  feed.Source
	store   *sqlite.Store
	updater feed.Updater
	patient feed.Mirror // for correct data
	now     time.Time
}

func newRig(t *testing.T, s feed.Source, where string) *rig {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	c := feed.DefaultConfig()
	c.MinWait, c.MaxWait, c.Attempts = time.Millisecond, 2*time.Millisecond, 2
	c.StallTimeout, c.RequestTimeout = 100*time.Millisecond, 200*time.Millisecond
	m, err := feed.Open(where, c)
	if err != nil {
		t.Fatal(err)
	}
	c.StallTimeout, c.RequestTimeout = 20*time.Second, 20*time.Second
	patient, err := feed.Open(where, c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, source: s, store: st, patient: patient, now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	r.updater = feed.Updater{
		Plans:   []feed.Plan{{Source: s, Setup: feed.Setup{Mirror: m, Dir: filepath.Join(dir, "feed"), HasKey: s.Key == feed.RequiredKey, Names: namesOf(s)}, Named: true}},
		Store:   st,
		Now:     func() time.Time { return r.now },
		Timeout: time.Second,
	}
	r.updater.Plans[0].Source.Timeout = 0
	return r
}

// good gives the source the time that correct data may need on a busy machine.
func (r *rig) good() error {
	r.now = r.now.Add(time.Hour)
	u := r.updater
	u.Plans = slices.Clone(u.Plans)
	u.Plans[0].Setup.Mirror = r.patient
	u.Timeout = time.Minute
	return u.Update(r.t.Context(), feed.Events{})
}

func (r *rig) faulty() error {
	r.now = r.now.Add(time.Hour)
	return r.updater.Update(r.t.Context(), feed.Events{})
}

// content describes all current data of the store.
func (r *rig) content() string {
	r.t.Helper()
	var lines []string
	for rec, err := range r.store.Changes(r.t.Context(), 0, math.MaxInt64) {
		if err != nil {
			r.t.Fatal(err)
		}
		if !rec.Removed {
			lines = append(lines, fmt.Sprintf("%s %s %x", rec.Origin.Source, rec.ID, sha256.Sum256(rec.Body)))
		}
	}
	for l, err := range r.store.Lists(r.t.Context(), 0, math.MaxInt64) {
		if err != nil {
			r.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("list %s %d %x", l.Kind, l.Entries, sha256.Sum256(l.Body)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// state returns the number of records of the source, and whether a failure is noted.
func (r *rig) state() (records int, failure string) {
	r.t.Helper()
	all, err := r.store.Sources(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all {
		if s.Origin.Source != r.source.Name {
			r.t.Errorf("the source %q wrote data of %q", r.source.Name, s.Origin)
		}
		records += s.Records
		if !s.Failed.IsZero() {
			failure = s.Err
		}
	}
	return records, failure
}

// Whatever a server sends, an update of any source keeps the earlier data and notes why it
// failed. Once the server is well again, an update succeeds. A new source is covered as
// soon as it is in the list.
func TestFaultyServer(t *testing.T) {
	all := sources.All()
	for i, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if fixtures[s.Name] == nil {
				t.Fatal("the source has no entry in fixtures")
			}
			fix := fixtures[s.Name](t)
			other := all[(i+1)%len(all)].Name
			var foreign []byte
			for _, b := range fixtures[other](t).files {
				if len(b) > len(foreign) {
					foreign = b
				}
			}
			srv := &server{files: fix.files}
			web := httptest.NewServer(srv)
			defer web.Close()
			defer web.CloseClientConnections()

			filled, empty := newRig(t, s, web.URL), newRig(t, s, web.URL)
			if err := filled.good(); err != nil {
				t.Fatal(err)
			}
			want := filled.content()
			if n, failure := filled.state(); n != fix.records || failure != "" {
				t.Fatalf("%d records, want %d; failure %q", n, fix.records, failure)
			}
			requested := map[string]bool{}
			for fault, f := range faults(t, foreign) {
				for name := range fix.files {
					for _, r := range []*rig{filled, empty} {
						before := r.content()
						srv.set(name, f)
						err := r.faulty()
						if !srv.wasHit() && r == empty { // it has read all others, or has kept this one
							empty = newRig(t, s, web.URL)
							r, before = empty, ""
							err = r.faulty()
						}
						if !srv.wasHit() {
							continue
						}
						requested[name] = true
						after := r.content()
						_, failure := r.state()
						switch {
						case err == nil && fix.tolerated[name] == "":
							t.Errorf("%s is %s: no error", name, fault)
						case err == nil && after != want:
							t.Errorf("%s is %s: no error, and other data", name, fault)
						case err != nil && after != before && after != want:
							t.Errorf("%s is %s: the data changed", name, fault)
						case err != nil && failure == "":
							t.Errorf("%s is %s: the failure is not noted: %v", name, fault, err)
						}
						if after != before && r == empty { // the next fault needs an empty store
							empty = newRig(t, s, web.URL)
						}
					}
				}
			}
			for name := range fix.files {
				if !requested[name] {
					t.Errorf("%s was never requested", name)
				}
			}
			srv.set("", nil)
			for _, r := range []*rig{filled, empty} {
				if err := r.good(); err != nil {
					t.Errorf("after the faults: %v", err)
				}
				if n, failure := r.state(); n != fix.records || failure != "" || r.content() != want {
					t.Errorf("after the faults: %d records, want %d; failure %q", n, fix.records, failure)
				}
			}
		})
	}
}

// An update that finds nothing new does not read the files again, and is a success.
func TestUnchanged(t *testing.T) {
	for _, s := range sources.All() {
		t.Run(s.Name, func(t *testing.T) {
			fix := fixtures[s.Name](t)
			sent := 0
			srv := &server{files: fix.files}
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				srv.ServeHTTP(rec, r)
				sent += rec.Body.Len()
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(rec.Code)
				_, _ = io.Copy(w, rec.Body) // the client may be gone
			}))
			defer web.Close()
			r := newRig(t, s, web.URL)
			if err := r.good(); err != nil {
				t.Fatal(err)
			}
			first := sent
			before := r.content()
			sent = 0
			if err := r.good(); err != nil {
				t.Fatal(err)
			}
			if r.content() != before || sent > first/2 {
				t.Errorf("the second update received %d bytes, the first %d", sent, first)
			}
			all, err := r.store.Sources(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, src := range all {
				if !src.Updated.Equal(r.now) {
					t.Errorf("%s was updated at %v, want %v", src.Origin, src.Updated, r.now)
				}
			}
		})
	}
}

// The descriptions are complete, and the same in docs/feeds.md.
func TestDescriptions(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "feeds.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range sources.All() {
		if (store.Origin{Source: s.Name}).Check() != nil || names[s.Name] || strings.Contains(s.Name, "=") {
			t.Errorf("name %q", s.Name)
		}
		names[s.Name] = true
		if s.Title == "" || s.Format == "" || s.Licence == "" || !strings.HasPrefix(s.Terms, "https://") || s.Feed == nil ||
			s.Contributes != feed.Advisories && s.Contributes != feed.Enrichment || s.First == (feed.Cost{}) {
			t.Errorf("%s: the description is incomplete: %+v", s.Name, s)
		}
		if s.Contributes == feed.Advisories && s.Parts == nil && len(s.Ecosystems) == 0 {
			t.Errorf("%s: no package needs its advisories: Ecosystems is empty", s.Name)
		}
		if (s.Key != feed.NoKey) != (s.Authorize != nil) {
			t.Errorf("%s: a key without Authorize, or Authorize without a key", s.Name)
		}
		if s.Default && (s.Key == feed.RequiredKey || s.Address == "") {
			t.Errorf("%s cannot be fetched by default", s.Name)
		}
		var row string
		for line := range strings.Lines(string(doc)) {
			if strings.HasPrefix(line, "| `"+s.Name+"` |") {
				row = line
			}
		}
		yes := map[bool]string{true: " yes ", false: " no "}
		for _, want := range []string{s.Address, " " + s.Licence + " ", string(s.Contributes), yes[s.MayPassOn] + "|" + yes[s.Default]} {
			if !strings.Contains(row, want) {
				t.Errorf("docs/feeds.md: the row of %q lacks %q", s.Name, want)
			}
		}
	}
	for name := range fixtures {
		if !names[name] {
			t.Errorf("fixtures has %q, which is not a source", name)
		}
	}
}
