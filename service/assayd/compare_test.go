package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	versions "assay/service/version"
)

func compareWith(ecosystem string, in io.Reader, out io.Writer) error {
	d := &daemon{stdout: out, stderr: io.Discard, now: time.Now}
	app := d.app()
	app.Reader = in
	return app.Run([]string{"assayd", "compare", ecosystem})
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ ecosystem, in, out string }{
		{"Debian", "1.0~rc1\t1.0\n1.0\t1.0-0\n1:1\t2\n", "-1\n0\n1\n"},
		{"Debian", "1.0\t1-\n1.0\n1\t2\t3\n\n1\t2",
			"error: version \"1-\" has an empty revision\nerror: a line is two versions with one tab between them\n" +
				"error: a line is two versions with one tab between them\nerror: a line is two versions with one tab between them\n-1\n"},
		{"RPM", "1.0-1\t1.0-2\r\n", "-1\n"},
		{"SemVer", "1.0.0-rc.1\t1.0.0\nx\t1\n", "-1\nerror: version \"x\" does not begin with a number\n"},
		{"PyPI", "1.0.post1\t1.0\n", "1\n"},
		{"Alpine:v3.19", "1.2-r9\t1.2-r10\n", "-1\n"},
		{"npm", "", ""},
	} {
		var out bytes.Buffer
		if err := compareWith(tt.ecosystem, strings.NewReader(tt.in), &out); err != nil {
			t.Error(err)
		}
		if out.String() != tt.out {
			t.Errorf("%s: %q gives\n%swant\n%s", tt.ecosystem, tt.in, out.String(), tt.out)
		}
	}
	if err := compareWith("Windows", strings.NewReader(""), io.Discard); err == nil || !strings.Contains(err.Error(), `"Windows"`) {
		t.Errorf("an unknown ecosystem: %v", err)
	}
	if err := compareWith("npm", strings.NewReader(strings.Repeat("1", versions.MaxPair+1)), io.Discard); err == nil {
		t.Error("a line of unlimited length is accepted")
	}
}

// TestCompareStreams checks that each pair is answered before the next one is read.
func TestCompareStreams(t *testing.T) {
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- compareWith("npm", in, out) }()
	for _, pair := range []string{"1.0.0\t2.0.0\n", "2.0.0\t1.0.0\n"} {
		if _, err := io.WriteString(questions, pair); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2)
		if _, err := answers.Read(got); err != nil {
			t.Fatal(err)
		}
		if want := map[byte]string{'1': "-1", '2': "1\n"}[pair[0]]; string(got) != want {
			t.Errorf("%q gives %q", pair, got)
		}
		if pair[0] == '1' {
			if _, err := io.ReadFull(answers, got[:1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	questions.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
