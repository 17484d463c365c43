package wordpress_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/app/wordpress"
)

// native reads headers with PHP's own regular expressions, as get_file_data does: file names
// come in, one a line, and the name and version of each go out as JSON.
const native = `
while (($file = fgets(STDIN)) !== false) {
	$text = strtr(file_get_contents(rtrim($file, "\n"), false, null, 0, 8192), "\r", "\n");
	$got = [];
	foreach (['Plugin Name', 'Theme Name', 'Version'] as $key) {
		$found = preg_match('/^(?:[ \t]*<\?(?:php)?)?[ \t\/*#@]*' . $key . ':(.*)$/mi', $text, $m) && $m[1];
		$got[$key] = $found ? trim(preg_replace('/\s*(?:\*\/|\?>).*/', '', $m[1])) : '';
	}
	echo json_encode($got, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}`

// TestNative compares what is read of every genuine file of the test data, whether WordPress
// looks at it or not, with what PHP reads: as it is, and with changes to its bytes.
func TestNative(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		testkit.Missing(t, "php: %v", err)
	}
	var files []string
	dir := t.TempDir()
	add := func(content []byte) {
		file := filepath.Join(dir, "f"+string(rune('a'+len(files)%26))+strings.Repeat("x", len(files)/26))
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	err = filepath.WalkDir(testkit.Path(t, "wordpress", "headers"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		add(b)
		add(bytes.ReplaceAll(b, []byte("\n"), []byte("\r")))
		add(bytes.ReplaceAll(b, []byte("Version:"), []byte("*/ Version:\x00")))
		add(bytes.ReplaceAll(b, []byte("Version: "), []byte("@#VERSION:\x0b?> ")))
		add(append([]byte("\t<?"), b...))
		add(append([]byte("<?php Plugin Name:A\n<?pHp//Theme Name:0\n"), b...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(php, "-n", "-r", native)
	cmd.Stdin = strings.NewReader(strings.Join(files, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	headers := 0
	for decoder, i := json.NewDecoder(bytes.NewReader(out)), 0; i < len(files); i++ {
		var want map[string]string
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		plugins, err := wordpress.ReadPlugin(bytes.NewReader(b), "wp-content/plugins/x/y.php")
		if err != nil {
			t.Fatal(err)
		}
		themes, err := wordpress.Read(bytes.NewReader(b), "wp-content/themes/x/style.css")
		if err != nil {
			t.Fatal(err)
		}
		if (len(plugins) > 0) != (want["Plugin Name"] != "") || (len(themes) > 0) != (want["Theme Name"] != "") {
			t.Errorf("%.200q: plugin %+v, theme %+v, PHP reads %q", b, plugins, themes, want)
		}
		for _, p := range append(plugins, themes...) {
			headers++
			if p.Version != want["Version"] && !strings.ContainsAny(want["Version"], "\x00\ufffd") {
				t.Errorf("%.200q: version %q, PHP reads %q", b, p.Version, want["Version"])
			}
		}
	}
	t.Logf("%d files, %d headers", len(files), headers)
}
