package secdb

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/feedtest"
	"assay/service/advisory"
	"assay/service/feed"
)

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// grype returns what Grype concludes: the fixed versions of a vulnerability by package.
func grype(t *testing.T, files map[string][]byte, prefix string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for name, b := range files {
		if !strings.HasPrefix(name, "snapshots/") || path.Ext(name) != ".json" {
			continue
		}
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					Name    string
					FixedIn []struct{ Name, Version string }
				}
			}
		}
		if err := json.Unmarshal(b, &snapshot); err != nil {
			t.Fatal(err)
		}
		v := snapshot.Item.Vulnerability
		for _, f := range v.FixedIn {
			key := prefix + "-" + v.Name + " " + f.Name
			all[key] = append(all[key], f.Version)
		}
	}
	for _, versions := range all {
		slices.Sort(versions)
	}
	return all
}

// conclusions returns the same of advisories.
func conclusions(all map[string]advisory.Advisory) map[string][]string {
	got := make(map[string][]string)
	for _, a := range all {
		for _, af := range a.Affected {
			key := a.ID + " " + af.Package.Name
			for _, r := range af.Ranges {
				version := "None"
				for _, e := range r.Events {
					if e.Fixed != "" {
						version = e.Fixed
					}
				}
				got[key] = append(got[key], version)
			}
			if af.Status == advisory.StatusNotAffected {
				got[key] = append(got[key], "0")
			}
			slices.Sort(got[key])
		}
	}
	return got
}

// TestRolling converts the genuine files of the distributions without releases, and
// compares all records with those of Grype.
func TestRolling(t *testing.T) {
	for _, tt := range []struct {
		source      feed.Source
		data, input string
		file        string
		prefix      string
		records     int
	}{
		{MinimOSSource(), "minimos", "input/secdb/security.json", "security.json", "MINIMOS", 59},
		{SecureOSSource(), "secureos", "input/secdb/secdb.json", "secdb.json.gz", "SECUREOS", 17},
	} {
		t.Run(tt.data, func(t *testing.T) {
			files := unzipped(t, "feeds", tt.data, "vunnel.zip")
			served := bytes.TrimSpace(files[tt.input])
			if strings.HasSuffix(tt.file, ".gz") {
				served = zipped(t, served)
			}
			s := feedtest.New(t, tt.source, map[string][]byte{tt.file: served})
			o, err := s.Update(t)
			if err != nil || o.Added != tt.records || o.Rejected != 0 {
				t.Fatalf("%+v, %v, want %d records", o, err, tt.records)
			}
			got, want := conclusions(s.Advisories(t)), grype(t, files, tt.prefix)
			if !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%v\nGrype: %v", got, want)
			}
			s.Broken(t, tt.file, map[string][]byte{
				"packages of another type": []byte(`{"packages":"x"}`),
				"another distribution's":   []byte(`{"urlprefix":"https://packages.example.com","packages":[{"pkg":{"name":"a","secfixes":{"1":["CVE-2024-0001"]}}}]}`),
				"a bomb":                   zipped(t, make([]byte, maxFile+1)),
			})
		})
	}
}

// TestAlpineGrype compares a database of v3.15 with Grype's records.
func TestAlpineGrype(t *testing.T) {
	files := unzipped(t, "feeds", "alpine-secdb", "vunnel.zip")
	server := map[string][]byte{"": indexPage("v3.15")}
	for _, name := range []string{"v3.15/main", "v3.15/community"} {
		server[name+".json"] = fromYAML(t, files["input/secdb/"+name+".yaml"])
	}
	s := feedtest.New(t, AlpineSource(), server)
	o, err := s.Update(t)
	if err != nil || o.Added != 16 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if got, want := conclusions(s.Advisories(t)), grype(t, files, "ALPINE"); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v\nGrype: %v", got, want)
	}
}

// fromYAML returns a database in YAML, which Alpine also publishes, as JSON. It reads only
// the form of the test data.
func fromYAML(t *testing.T, b []byte) []byte {
	t.Helper()
	type pkg struct {
		Name     string              `json:"name"`
		Secfixes map[string][]string `json:"secfixes"`
	}
	var db struct {
		Release    string           `json:"distroversion"`
		Repository string           `json:"reponame"`
		Packages   []map[string]pkg `json:"packages"`
	}
	var p *pkg
	version := ""
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case key == "distroversion":
			db.Release = value
		case key == "reponame":
			db.Repository = value
		case key == "- pkg":
			p = nil
		case key == "name":
			db.Packages = append(db.Packages, map[string]pkg{"pkg": {value, map[string][]string{}}})
			added := db.Packages[len(db.Packages)-1]["pkg"]
			p = &added
		case p != nil && strings.HasPrefix(line, "      ") && !strings.HasPrefix(key, "- "):
			version = key
		case p != nil && strings.HasPrefix(key, "- "):
			p.Secfixes[version] = append(p.Secfixes[version], key[2:])
		}
	}
	out, err := json.Marshal(db)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
