package argv

import (
	"errors"
	"slices"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

func app() *ucli.App {
	return &ucli.App{
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "continue-on-failure", Aliases: []string{"c"}},
			&ucli.BoolFlag{Name: "no-verify", Aliases: []string{"n"}},
			&ucli.StringFlag{Name: "root", Aliases: []string{"d"}},
		},
		Commands: []*ucli.Command{
			{Name: "inventory", Flags: []ucli.Flag{&ucli.StringFlag{Name: "root", Aliases: []string{"d"}}}},
			{Name: "token", Subcommands: []*ucli.Command{{Name: "create", Flags: []ucli.Flag{&ucli.StringFlag{Name: "name"}}}}},
		},
	}
}

func TestPermute(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"assay", "assay"},
		{"assay TOKEN", "assay -- TOKEN"},
		{"assay TOKEN -c", "assay -c -- TOKEN"},
		{"assay -c TOKEN --no-verify", "assay -c --no-verify -- TOKEN"},
		{"assay TOKEN -d /mnt -n", "assay -d /mnt -n -- TOKEN"},
		{"assay TOKEN --root=/mnt", "assay --root=/mnt -- TOKEN"},
		{"assay TOKEN -cnd /mnt", "assay -cnd /mnt -- TOKEN"},
		{"assay TOKEN --root inventory", "assay --root inventory -- TOKEN"},
		{"assay inventory -d /mnt", "assay inventory -d /mnt"},
		{"assay TOKEN inventory", "assay -- TOKEN inventory"},
		{"assay -- -c", "assay -- -c"},
		{"assay token create extra --name x", "assay token create --name x -- extra"},
		{"assay -", "assay -- -"},
		{"assay --version", "assay --version"},
	} {
		got, err := Permute(strings.Fields(tt.in), app(), nil)
		if err != nil || !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("Permute(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestPermuteRefuses(t *testing.T) {
	hints := map[string]string{"severity": "use --fail-on"}
	for _, tt := range []struct{ in, what, next string }{
		{"assay --severity HIGH", `unknown flag "--severity"`, "use --fail-on"},
		{"assay --severity=HIGH TOKEN", `unknown flag "--severity"`, "use --fail-on"},
		{"assay -x", `unknown flag "-x"`, "--help lists the flags"},
		{"assay -dc TOKEN", `unknown flag "-dc"`, "--help lists the flags"},
		{"assay TOKEN --root", `flag "--root" needs a value`, "assay --help lists the flags"},
		{"assay --tokne=assay_secret", `unknown flag "--tokne"`, "--help lists the flags"},
	} {
		_, err := Permute(strings.Fields(tt.in), app(), hints)
		u, ok := errors.AsType[*UsageError](err)
		if !ok || u.What != tt.what || u.Next != tt.next {
			t.Errorf("Permute(%q): error %v, hint %v; want %q, %q", tt.in, err, u, tt.what, tt.next)
		}
	}
}

// FuzzPermute checks that the result has the same arguments in another order, with at most
// one "--" more.
func FuzzPermute(f *testing.F) {
	f.Add("assay TOKEN -c --root /x")
	f.Add("assay inventory -- -d")
	f.Fuzz(func(t *testing.T, line string) {
		in := strings.Fields(line)
		out, err := Permute(in, app(), nil)
		if err != nil {
			return
		}
		drop := func(s []string) []string {
			s = slices.DeleteFunc(slices.Clone(s), func(a string) bool { return a == "--" })
			slices.Sort(s)
			return s
		}
		if !slices.Equal(drop(in), drop(out)) {
			t.Errorf("Permute(%q) = %q", in, out)
		}
	})
}
