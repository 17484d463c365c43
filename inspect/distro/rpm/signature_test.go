package rpm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/distro/rpm/header"
)

const key = "0123456789abcdef"

// unhex returns the bytes of hexadecimal digits with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIssuer(t *testing.T) {
	const (
		v4     = "04 00 01 08 "
		v6     = "06 00 1b 08 "
		id     = "09 10 " + key + " "
		v4Key  = "16 21 04 " + "ffffffffffffffffffffffff" + key + " "
		v6Key  = "22 21 06 " + key + "ffffffffffffffffffffffffffffffffffffffffffffffff "
		time   = "05 02 00 00 00 00 "
		other  = "09 10 1111111111111111 "
		digest = "aa bb 00 08 ff"
	)
	for _, c := range []struct{ name, packet, want string }{
		{"version 3", "88 13 03 05 00 00000000 " + key + " 01 08 aabb", key},
		{"version 4, not hashed", "88 ff " + v4 + "0006 " + time + "000a " + id + digest, key},
		{"version 4, hashed", "89 00ff " + v4 + "0010 " + time + id + "000a " + other + digest, key},
		{"version 4, fingerprint", "8a 000000ff " + v4 + "0017 " + v4Key + "0000 " + digest, key},
		{"version 4, both", "c2 60 " + v4 + "0017 " + v4Key + "000a " + other + digest, key},
		{"critical", "c2 60 " + v4 + "000a 09 90 " + key + " 0000 " + digest, key},
		{"length of two bytes", "c2 c0 10 " + v4 + "000a " + id + "0000 " + digest, key},
		{"length of five bytes", "c2 ff 00000040 " + v4 + "000a " + id + "0000 " + digest, key},
		{"up to the end", "8b " + v4 + "000a " + id + "0000 " + digest, key},
		{"subpacket with a length of five bytes", "c2 60 " + v4 + "000e ff 00000009 10 " + key + " 0000 " + digest, key},
		{"version 6", "c2 60 " + v6 + "00000023 " + v6Key + "00000000 " + digest, key},
		{"version 6, not hashed", "c2 60 " + v6 + "00000006 " + time + "00000023 " + v6Key + digest, key},
		{"cut off after the key", "89 00ff " + v4 + "0040 " + id, key},

		{"cut off in the key", "89 00ff " + v4 + "000a 09 10 " + key[2:], ""},
		{"shorter than its subpackets", "88 08 " + v4 + "000a " + id, ""},
		{"no key", "88 20 " + v4 + "0006 " + time + "0000 " + digest, ""},
		{"anonymous", "88 20 " + v4 + "0000 000a 09 10 0000000000000000 " + digest, ""},
		{"fingerprint of 16 bytes", "88 40 " + v4 + "0013 12 21 03 " + key + key + " 0000" + digest, ""},
		{"key of four bytes", "88 40 " + v4 + "0006 05 10 01234567 0000" + digest, ""},
		{"empty subpacket", "88 40 " + v4 + "000b 00 " + id + "0000" + digest, ""},
		{"subpacket after the end", "88 40 " + v4 + "000a ff ffffffff 10 " + key, ""},
		{"partial length", "c2 e1 " + v4 + "000a " + id + "0000 " + digest, ""},
		{"another version", "88 40 05 00 01 08 000a " + id + "0000 " + digest, ""},
		{"another packet", "98 40 " + v4 + "000a " + id + "0000 " + digest, ""},
		{"version 3, cut off", "88 13 03 05 00 00000000 01234567", ""},
		{"not a packet", "00 00 00 00 00 00 00 00", ""},
		{"empty", "", ""},
	} {
		if got := issuer(unhex(t, c.packet)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzIssuer(f *testing.F) {
	for _, s := range []string{
		"88 13 03 05 00 00000000 " + key + " 01 08 aabb",
		"89 00ff 04 00 01 08 0010 05 02 00 00 00 00 09 10 " + key + " 0000",
		"c2 60 06 00 1b 08 00000023 22 21 06 " + key + strings.Repeat("ff", 24) + " 00000000",
		"c2 ff 00000040 04 00 01 08 000e ff 00000009 10 " + key + " 0000",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, sig []byte) {
		id := issuer(sig)
		if id == "" {
			return
		}
		// The key is somewhere in the signature.
		if len(id) != 16 || !strings.Contains(string(sig), string(unhex(t, id))) {
			t.Fatalf("%q of %x", id, sig)
		}
	})
}

// A package that rpm signs with a key of GnuPG, and one that is not signed, are installed by
// rpm. Both kinds of keys are used that rpm has a tag for.
func TestSignedByRPM(t *testing.T) {
	for _, program := range []string{"rpmbuild", "rpmsign", "gpg", "rpm"} {
		if _, err := exec.LookPath(program); err != nil {
			testkit.Missing(t, "the program %s", program)
		}
	}
	gpg, err := exec.LookPath("gpg") // rpm's own setting may be a bare name
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The socket of the agent has a path of at most 107 bytes.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "HOME="+dir, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
		_ = cmd.Run()
	})
	root := filepath.Join(dir, "root")
	keys := map[string]string{}
	for _, c := range []struct{ name, algorithm string }{{"rsa", "rsa2048"}, {"eddsa", "ed25519"}, {"none", ""}} {
		spec := filepath.Join(dir, c.name+".spec")
		text := "Name: " + c.name + "\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\nBuildArch: noarch\nVendor: AlmaLinux\n%description\n%files\n"
		if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, spec)
		file := filepath.Join(dir, "RPMS", "noarch", c.name+"-1-1.noarch.rpm")
		keys[c.name] = ""
		if c.algorithm != "" {
			user := c.name + "@example.com"
			run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", user, c.algorithm, "sign", "never")
			run("rpmsign", "--define", "_gpg_name "+user, "--define", "__gpg "+gpg, "--addsign", file)
			for line := range strings.Lines(run("gpg", "--batch", "--with-colons", "--list-keys", user)) {
				if f := strings.Split(line, ":"); f[0] == "pub" {
					keys[c.name] = strings.ToLower(f[4])
				}
			}
			if len(keys[c.name]) != 16 {
				t.Fatalf("key %q", keys[c.name])
			}
		}
		run("rpm", "--root", root, "--dbpath", "/db", "--nodeps", "--nosignature", "--justdb", "-i", file)
	}
	data, err := os.ReadFile(filepath.Join(root, "db", "rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Packages(headersOf("rpmdb.sqlite", data), "rpmdb.sqlite")
	if err != nil || len(packages) != len(keys) {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	for _, p := range packages {
		if want, ok := keys[p.Name]; !ok || p.SignedBy != want {
			t.Errorf("%s: signed by %q, want %q", p.Name, p.SignedBy, want)
		}
	}
}

// The signatures that rpm 6 writes are base64, and there may be several. A signature that
// cannot be parsed does not count.
func TestOpenPGPTag(t *testing.T) {
	sig := base64.StdEncoding.EncodeToString(unhex(t, "88 ff 04 00 01 08 0000 000a 09 10 "+key+" aabb"))
	for text, want := range map[string]string{
		sig:                              key,
		sig + "\x00second":               key,
		sig + strings.Repeat("A", 2<<10): key, // longer than what is read
		sig[:len(sig)-1]:                 key, // without the end
		"not base64" + sig:               "",
		sig[:12]:                         "",
		"":                               "",
	} {
		packages, err := Packages(func(yield func(*header.Header, error) bool) {
			yield(signedHeader(t, text), nil)
		}, "db")
		if err != nil || len(packages) != 1 || packages[0].SignedBy != want {
			t.Errorf("%.60q: %+v, %v", text, packages, err)
		}
	}
}

// signedHeader returns the header of a package with texts as its signatures.
func signedHeader(t *testing.T, texts string) *header.Header {
	t.Helper()
	var index, store []byte
	for _, e := range []struct {
		tag, typ uint32
		text     string
	}{{uint32(header.OpenPGP), 8, texts}, {uint32(header.Name), 6, "p"}, {uint32(header.Version), 6, "1"}, {uint32(header.Release), 6, "1"}} {
		count := uint32(strings.Count(e.text, "\x00") + 1)
		for _, n := range []uint32{e.tag, e.typ, uint32(len(store)), count} {
			index = binary.BigEndian.AppendUint32(index, n)
		}
		store = append(append(store, e.text...), 0)
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(index)/16)), uint32(len(store)))
	blob := slices.Concat(head, index, store)
	h, err := header.Read(bytes.NewReader(blob), int64(len(blob)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}
