package main

import (
	"testing"

	"assay/verdict/hint"
)

func TestUnknownCommand(t *testing.T) {
	for _, tt := range []struct {
		args       []string
		what, hint string
	}{
		{[]string{"serv", "--data", "x"}, `unknown command "serv"`, "assayd --help lists the commands"},
		{[]string{"--help", "serv"}, `unknown command "serv"`, "assayd --help lists the commands"},
		{[]string{"token", "crate", "--data", "x"}, `unknown command "crate"`, "assayd token --help lists the commands"},
		{[]string{"serve"}, "--public-url is missing", "it is the URL under which builds reach this service, such as https://assay.example.com"},
		{[]string{"token", "create"}, "--name is missing or empty", "give the token a name, such as --name ci: the list and the log show it"},
	} {
		stdout, _, err := assayd(t, tt.args...)
		if err == nil || err.Error() != tt.what {
			t.Errorf("assayd %q: %v, want %s", tt.args, err, tt.what)
			continue
		}
		if got := hint.Of(err); got != tt.hint {
			t.Errorf("assayd %q: hint %q, want %q", tt.args, got, tt.hint)
		}
		if stdout != "" {
			t.Errorf("assayd %q prints %q", tt.args, stdout)
		}
	}
}
