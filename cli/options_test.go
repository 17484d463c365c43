package cli

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"

	"assay/check/testkit"
	"assay/remote/cyclonedx"
	"assay/remote/token"
	"assay/service/policy"
	"assay/verdict"
)

// other returns a valid value that is not the default, and which lets more through
// than the default if there is such a value.
func other(d verdict.Option) string {
	for _, value := range []string{"low", "critical", "true", "7d", "pkg:oci/app", "something"} {
		o := verdict.DefaultOptions()
		if d.Set(&o, value) && d.Value(o) != d.Value(verdict.DefaultOptions()) && (d.WeakerThan(o, verdict.DefaultOptions()) || !strings.Contains(d.Takes(), "critical")) {
			return value
		}
	}
	return ""
}

// TestOptionsFollowTheirDeclaration takes each declared option through the flag, the
// environment, the wire, the policy, the log and the documents. An option that is
// added to verdict.DeclaredOptions is tested without a change here.
func TestOptionsFollowTheirDeclaration(t *testing.T) {
	documents := map[string]string{}
	for _, name := range []string{"docs/environment.md", "docs/api.md", "docs/openapi.yaml"} {
		b, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		documents[name] = string(b)
	}
	model := Model("1.0.0")
	for _, d := range verdict.DeclaredOptions() {
		t.Run(d.Name, func(t *testing.T) {
			value := other(d)
			if value == "" {
				t.Fatal("no value found that differs from the default")
			}
			i := slices.IndexFunc(model.Flags, func(f ucli.Flag) bool { return f.Names()[0] == d.Name })
			if i < 0 || !slices.Equal(model.Flags[i].Names()[1:], d.Aliases) {
				t.Fatalf("no flag with the names %s %q", d.Name, d.Aliases)
			}

			// From the command line to the wire and the policy.
			sent, log := sentBy(t, []string{"--" + d.Name + "=" + value}, nil)
			want := cyclonedx.Option{Name: d.Name, Value: value, Origin: "flag"}
			if !slices.Equal(sent, []cyclonedx.Option{want}) {
				t.Fatalf("the flag sends %v, want %v\n%s", sent, want, log)
			}
			decided, ignored, err := policy.Options(sent, policy.Allow{}, nil)
			asked := verdict.DefaultOptions()
			d.Set(&asked, value)
			if err != nil || len(ignored) > 0 || decided != asked {
				t.Errorf("the policy has %+v, ignored %v, %v; want %+v", decided, ignored, err, asked)
			}
			if !d.Switch() {
				if code := Run(t.Context(), quietEnv([]string{"--" + d.Name + "=\xff"}, nil, new(bytes.Buffer))); code != codeUsage {
					t.Errorf("an invalid value: code %d", code)
				}
			}

			// From the environment.
			env := envName(d.Name)
			sent, log = sentBy(t, nil, map[string]string{env: value})
			if d.Env == verdict.EnvNever {
				if len(sent) > 0 || !strings.Contains(log, env+" is set and was ignored") {
					t.Errorf("%s sends %v\n%s", env, sent, log)
				}
				sent = []cyclonedx.Option{{Name: d.Name, Value: value, Origin: env}} // as another client may
			} else if want.Origin = env; !slices.Equal(sent, []cyclonedx.Option{want}) {
				t.Fatalf("%s sends %v, want %v\n%s", env, sent, want, log)
			}
			decided, ignored, err = policy.Options(sent, policy.Allow{}, nil)
			if weaker := d.WeakerThan(asked, verdict.DefaultOptions()); err != nil || weaker != (len(ignored) == 1) || weaker == (decided == asked) {
				t.Errorf("weaker %v: the policy has %+v, ignored %v, %v", weaker, decided, ignored, err)
			}
			allow, err := policy.AllowOf(d.Name)
			if (err == nil) != (d.Env == verdict.EnvStricter) {
				t.Errorf("rule %d, and --allow-env: %v", d.Env, err)
			} else if err == nil {
				if decided, ignored, err := policy.Options(sent, allow, nil); err != nil || len(ignored) > 0 || decided != asked {
					t.Errorf("allowed, the policy has %+v, ignored %v, %v", decided, ignored, err)
				}
			}

			// In the log and the documents.
			word := d.Name + "=" + value
			if logged := strings.Contains(asked.Describe(verdict.Gate, verdict.Exit), word); logged != (d.Effect != verdict.Label) {
				t.Errorf("the log has %q: %v", word, logged)
			}
			for name, form := range map[string]string{
				"docs/environment.md": "`" + env + "`",
				"docs/api.md":         "`" + d.Name + "`",
				"docs/openapi.yaml":   strings.ReplaceAll(d.Name, "-", "_") + ":",
			} {
				if !regexp.MustCompile(`(?m)^[| ].*` + regexp.QuoteMeta(form)).MatchString(documents[name]) {
					t.Errorf("%s does not have %s", name, form)
				}
			}
		})
	}
}

// TestEnvironmentRules sets the variable of each flag that no variable may set.
func TestEnvironmentRules(t *testing.T) {
	ignored := 0
	for _, o := range scanOptions() {
		if o.env == envRead || o.name() == "server" || o.name() == "root" { // sentBy gives the flags of these
			continue
		}
		ignored++
		if sent, log := sentBy(t, nil, map[string]string{envName(o.name()): "/"}); len(sent) > 0 || !strings.Contains(log, "note: "+envName(o.name())+" is set and was ignored") {
			t.Errorf("%s sends %v\n%s", envName(o.name()), sent, log)
		}
	}
	if ignored < 6 {
		t.Errorf("only %d flags have a variable that is ignored", ignored)
	}
}

// sentBy returns the options that a scan sends with these flags and variables, and its log.
func sentBy(t *testing.T, flags []string, vars map[string]string) ([]cyclonedx.Option, string) {
	t.Helper()
	var sent []cyclonedx.Option
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		scan, err := cyclonedx.Decode(body, cyclonedx.DefaultLimits())
		if err != nil {
			t.Error(err)
		}
		sent = scan.Options
		w.WriteHeader(http.StatusNotFound) // the answer does not matter
	}))
	defer server.Close()
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	Run(t.Context(), quietEnv(slices.Concat([]string{"--server", server.URL, "-d", t.TempDir()}, flags, []string{secret}), vars, &log))
	return sent, log.String()
}

func quietEnv(args []string, vars map[string]string, log *bytes.Buffer) Env {
	return Env{
		Args:      slices.Concat([]string{"assay"}, args),
		LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Stdout:    log, Stderr: log, Version: "1.0.0",
	}
}
