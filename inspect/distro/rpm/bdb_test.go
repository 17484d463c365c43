package rpm

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/rpmtest"
)

// Berkeley DB's own tool loads the records of a genuine database into databases with
// other page sizes and byte orders. On large pages headers are inline, and on small
// pages there are many buckets.
func TestBerkeleyDBLayouts(t *testing.T) {
	dump, load := tool(t, "db5.3_dump"), tool(t, "db5.3_load")
	d := rpmtest.Load(t, "centos5-bdb")
	records, err := exec.CommandContext(t.Context(), dump, filepath.Join(d.Dir(t), d.File)).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := expected(t, d.Name)
	for _, layout := range []struct {
		name, pageSize, byteOrder string
		order                     binary.ByteOrder
	}{
		{"512-little", "512", "1234", binary.LittleEndian},
		{"512-big", "512", "4321", binary.BigEndian},
		{"16384-big", "16384", "4321", binary.BigEndian},
		{"65536-little", "65536", "1234", binary.LittleEndian},
		{"65536-big", "65536", "4321", binary.BigEndian},
	} {
		t.Run(layout.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "Packages")
			cmd := exec.CommandContext(t.Context(), load,
				"-c", "db_pagesize="+layout.pageSize, "-c", "db_lorder="+layout.byteOrder, path)
			cmd.Stdin = bytes.NewReader(records)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if layout.order.Uint32(data[12:]) != 0x061561 {
				t.Fatalf("magic %x", data[12:16])
			}
			packages, err := Packages(headersOf("Packages", data), "Packages")
			if err != nil {
				t.Error(err)
			}
			diff(t, rowsOf(packages), want)
		})
	}
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testkit.Missing(t, "the program %s; install the package db5.3-util", name)
	}
	return path
}
