package verdict

import "testing"

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\nc é 漢":      "a\tb\nc é 漢",
		"\x1b[31mred":      `\u001b[31mred`,
		"a\rb\u202ec\x9b":  `a\u000db\u202ec\x9b`,
		"\u009b1m \ufffd!": `\u009b1m ` + "\ufffd!",
		"":                 "",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}
