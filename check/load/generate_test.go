package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"assay/service/advisory"
	"assay/service/index"
)

func TestOther(t *testing.T) {
	for id, want := range map[string]string{
		"CVE-2024-1234":        "CVE-2024-3001234",
		"DEBIAN-CVE-2024-1":    "DEBIAN-CVE-2024-3000001",
		"GHSA-aaaa-bbbb-cccc":  "GHSA-aaaa-bbbb-cccc-g3",
		"CVE-2024-1234567":     "CVE-2024-1234567-g3",
		"BIT-x-2024-1":         "BIT-x-2024-1-g3",
		"ALPINE-CVE-2024-1-r0": "ALPINE-CVE-2024-1-r0-g3",
	} {
		if got := other(id, 3); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

// TestGenerated checks that a generated record has as many entries as its original, about
// other packages, and shares no name with it.
func TestGenerated(t *testing.T) {
	body := []byte(`{"id":"DSA-1-1","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-1"],"upstream":["CVE-2024-2"],
		"affected":[{"package":{"ecosystem":"Debian:12","name":"bash","purl":"pkg:deb/debian/bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1"}]}]}]}`)
	id, other, err := genuineRecord{"DSA-1-1", body, 1}.as(2)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advisory.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	entries := index.Entries(a, nil)
	if a.ID != id || id == "DSA-1-1" || len(entries) != 1 || entries[0].Name != "bash-g2" ||
		!reflect.DeepEqual(a.Aliases, []string{"CVE-2024-2000001"}) || !reflect.DeepEqual(a.Upstream, []string{"CVE-2024-2000002"}) {
		t.Errorf("%s", other)
	}
}

func TestVEXEntries(t *testing.T) {
	got, ok := fixedEntry("AppStream-9.4.0.GA:openssl-libs-1:3.0.7-27.el9.aarch64")
	if want := (vexEntry{"AppStream-9.4.0.GA", "openssl-libs", "1:3.0.7-27.el9"}); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	for _, id := range []string{"", "x", "a:b.c", "a:b-c.d"} {
		if got, ok := fixedEntry(id); ok {
			t.Errorf("%q: %+v", id, got)
		}
	}
	_, body, n, err := vexDocument{entries: []vexEntry{got, {"red_hat_enterprise_linux_6", "samba", ""}}}.as(7)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advisory.Parse(body)
	if err != nil || n != 2 || len(index.Entries(a, nil)) != 2 {
		t.Errorf("%s: %d, %v", body, n, err)
	}
}

func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from.zip"), filepath.Join(dir, "to.zip")
	f, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, name := range []string{"a", "b", "c"} {
		w, err := z.Create(name + ".json")
		if err == nil {
			_, err = w.Write([]byte(`{"id":"` + name + "\"}\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(from, to, 4); err == nil {
		t.Error("four of three records: no error")
	}
	if err := rewrite(from, to, 2); err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var ids []string
	for _, f := range r.File {
		var record struct {
			ID      string `json:"id"`
			Changed bool   `json:"x_changed"`
		}
		in, err := f.Open()
		if err == nil {
			err = json.NewDecoder(in).Decode(&record)
		}
		if err != nil || !record.Changed {
			t.Errorf("%s: %+v, %v", f.Name, record, err)
		}
		ids = append(ids, record.ID)
	}
	if !reflect.DeepEqual(ids, []string{"a", "b"}) {
		t.Errorf("records %q", ids)
	}
}
