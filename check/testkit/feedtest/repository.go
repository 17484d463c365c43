package feedtest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"testing"
)

// AddRepository adds an rpm repository to files: repomd.xml, and updateinfo.xml with the
// given text, compressed as publishers do it. folder ends with a slash.
func AddRepository(t testing.TB, files map[string][]byte, folder, updateinfo string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(updateinfo)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	files[folder+"repodata/updateinfo.xml.gz"] = b.Bytes()
	files[folder+"repodata/repomd.xml"] = []byte(Repomd("repodata/updateinfo.xml.gz", b.Bytes()))
}

// Repomd returns a repomd.xml that names an updateinfo.xml. It has the form of createrepo's.
func Repomd(name string, updateinfo []byte) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
 <revision>1568754421</revision>
<data type="primary">
  <checksum type="sha256">8931ecdd9407bf434f4051229d5cff68bcdcda48d7a5f7706daac385b20f95ac</checksum>
  <location href="repodata/primary.xml.gz"/>
  <size>2290399</size>
</data>
<data type="updateinfo">
  <checksum type="sha256">%x</checksum>
  <location href="%s"/>
  <timestamp>1568754407</timestamp>
  <size>%d</size>
</data>
</repomd>`, sha256.Sum256(updateinfo), name, len(updateinfo))
}
