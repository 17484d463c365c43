package policy

import (
	"reflect"
	"strings"
	"testing"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

func TestOptions(t *testing.T) {
	type opt struct{ Name, Value, Origin string }
	tests := []struct {
		name    string
		sent    []opt
		allow   Allow
		change  func(*verdict.Options) // of the default
		ignored string                 // names, separated by spaces
	}{
		{name: "none"},
		{
			name: "all by flag",
			sent: []opt{{"fail-on", "critical", "flag"}, {"unrated", "low", "flag"}, {"fail-on-unfixed", "true", "flag"},
				{"fail-on-eol", "true", "flag"}, {"strict", "1", "flag"}, {"kernel", "true", "flag"},
				{"continue-on-failure", "true", "flag"}, {"project", "shop: näher", "flag"}, {"ref", "refs/heads/main", "flag"},
				{"commit", "abc", "flag"}, {"no-os-packages", "true", "flag"}},
			change: func(o *verdict.Options) {
				*o = verdict.Options{FailOn: "critical", Unrated: "low", FailOnUnfixed: true, FailOnEOL: true, Strict: true,
					Kernel: true, NoOSPackages: true, ContinueOnFailure: true, Project: "shop: näher", Ref: "refs/heads/main", Commit: "abc"}
			},
		},
		{"upper case", []opt{{"fail-on", "LOW", "flag"}}, Allow{}, func(o *verdict.Options) { o.FailOn = "low" }, ""},
		{"none by flag", []opt{{"fail-on", "none", "flag"}}, Allow{}, func(o *verdict.Options) { o.FailOn = verdict.FailOnNone }, ""},

		{"a variable strengthens fail-on", []opt{{"fail-on", "medium", "ASSAY_FAIL_ON"}}, Allow{}, func(o *verdict.Options) { o.FailOn = "medium" }, ""},
		{"a variable has the default", []opt{{"fail-on", "high", "ASSAY_FAIL_ON"}}, Allow{}, nil, ""},
		{"a variable weakens fail-on", []opt{{"fail-on", "critical", "ASSAY_FAIL_ON"}}, Allow{}, nil, "fail-on"},
		{"a variable disables fail-on", []opt{{"fail-on", "none", "ASSAY_FAIL_ON"}}, Allow{}, nil, "fail-on"},
		{"a variable that may weaken fail-on", []opt{{"fail-on", "none", "ASSAY_FAIL_ON"}}, Allow{[]string{"fail-on"}}, func(o *verdict.Options) { o.FailOn = verdict.FailOnNone }, ""},
		{"a variable that may weaken another", []opt{{"fail-on", "none", "ASSAY_FAIL_ON"}}, Allow{[]string{"unrated"}}, nil, "fail-on"},
		{"a variable strengthens unrated", []opt{{"unrated", "critical", "ASSAY_UNRATED"}}, Allow{}, func(o *verdict.Options) { o.Unrated = "critical" }, ""},
		{"a variable weakens unrated", []opt{{"unrated", "medium", "ASSAY_UNRATED"}}, Allow{}, nil, "unrated"},
		{"a variable continues on failure", []opt{{"continue-on-failure", "true", "ASSAY_CONTINUE_ON_FAILURE"}}, Allow{}, nil, "continue-on-failure"},
		{"a variable does not continue on failure", []opt{{"continue-on-failure", "false", "ASSAY_CONTINUE_ON_FAILURE"}}, Allow{}, nil, ""},
		{"a variable accepts a missing database", []opt{{"no-os-packages", "true", "ASSAY_NO_OS_PACKAGES"}}, Allow{}, nil, "no-os-packages"},
		{"a variable that no owner can allow", []opt{{"no-os-packages", "true", "ASSAY_NO_OS_PACKAGES"}}, Allow{weakenable()}, nil, "no-os-packages"},
		{
			name: "switches by variable",
			sent: []opt{{"fail-on-unfixed", "true", "ASSAY_A"}, {"fail-on-eol", "true", "ASSAY_B"}, {"strict", "true", "ASSAY_C"}, {"kernel", "true", "ASSAY_D"}},
			change: func(o *verdict.Options) {
				o.FailOnUnfixed, o.FailOnEOL, o.Strict, o.Kernel = true, true, true, true
			},
		},
		{"an option without an origin is not a flag", []opt{{"fail-on", "critical", ""}}, Allow{}, nil, "fail-on"},
		{"an origin in upper case is not a flag", []opt{{"fail-on", "critical", "FLAG"}}, Allow{}, nil, "fail-on"},

		{"an unknown variable", []opt{{"fail-on-fire", "yes", "ASSAY_FAIL_ON_FIRE"}, {"strict", "true", "flag"}}, Allow{}, func(o *verdict.Options) { o.Strict = true }, "fail-on-fire"},
		{"the last flag counts", []opt{{"fail-on", "critical", "flag"}, {"fail-on", "low", "flag"}}, Allow{}, func(o *verdict.Options) { o.FailOn = "low" }, ""},
		{"a flag takes precedence over a variable", []opt{{"fail-on", "critical", "flag"}, {"fail-on", "low", "ASSAY_FAIL_ON"}}, Allow{}, func(o *verdict.Options) { o.FailOn = "critical" }, ""},
		{"an ignored variable and a flag", []opt{{"fail-on", "none", "ASSAY_FAIL_ON"}, {"fail-on", "critical", "flag"}}, Allow{}, func(o *verdict.Options) { o.FailOn = "critical" }, "fail-on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := verdict.Options{FailOn: verdict.High, Unrated: verdict.High}
			if tt.change != nil {
				tt.change(&want)
			}
			var sent []cyclonedx.Option
			for _, o := range tt.sent {
				sent = append(sent, cyclonedx.Option(o))
			}
			got, ignored, err := Options(sent, tt.allow, nil)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
			var names []string
			for _, i := range ignored {
				names = append(names, i.Name)
				if i.Reason == "" || i.Value == "" {
					t.Errorf("ignored %+v", i)
				}
			}
			if s := strings.Join(names, " "); s != tt.ignored {
				t.Errorf("ignored %q, want %q", s, tt.ignored)
			}
		})
	}
}

func TestOptionsErrors(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"fail-on", "hihg", `option "fail-on" of "ASSAY_X": invalid value "hihg", it takes critical, high, medium, low, negligible, none`},
		{"fail-on", "unrated", `invalid value "unrated", it takes critical`},
		{"fail-on", "", `invalid value "", it takes critical`},
		{"unrated", "none", `option "unrated" of "ASSAY_X": invalid value "none", it takes critical, high, medium, low, negligible`},
		{"strict", "maybe", `option "strict" of "ASSAY_X": invalid value "maybe", it takes true or false`},
		{"kernel", "", `invalid value "", it takes true or false`},
		{"project", "a\nb", `option "project" of "ASSAY_X": invalid value "a\nb", it takes at most 512 bytes of printable text`},
		{"ref", "a\u202eb", `it takes at most 512 bytes of printable text`},
		{"commit", "\xff", `it takes at most 512 bytes of printable text`},
		{"commit", strings.Repeat("x", 513), `xxx"..., it takes at most 512 bytes of printable text`},
		{"fail-on", strings.Repeat("x", 1<<20), `xxx"..., it takes critical`},
	}
	for _, tt := range tests {
		_, _, err := Options([]cyclonedx.Option{{Name: tt.name, Value: tt.value, Origin: "ASSAY_X"}}, Allow{[]string{tt.name}}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
			t.Errorf("%s=%.20q: %.300v\nwant %s", tt.name, tt.value, err, tt.want)
		}
	}
	_, _, err := Options([]cyclonedx.Option{{Name: "strict", Value: "x", Origin: "flag"}}, Allow{}, nil)
	if want := `option "strict" of the command line: invalid value "x", it takes true or false`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	// A newer client may have flags that make the gate stricter.
	_, _, err = Options([]cyclonedx.Option{{Name: "fail-on-fire", Value: "yes", Origin: "flag"}}, Allow{}, nil)
	if want := `option "fail-on-fire" of the command line: unknown to this service`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// FuzzOptions: without an Allow, no variable makes the gate weaker than the default. Every
// ignored option is reported as it was sent.
func FuzzOptions(f *testing.F) {
	f.Add("fail-on", "none", "unrated", "low")
	f.Add("continue-on-failure", "T", "fail-on", "LOW")
	f.Add("strict", "false", "kernel", "0")
	f.Add("no-os-packages", "true", "no-os-packages", "1")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		o, ignored, err := Options([]cyclonedx.Option{{Name: n1, Value: v1, Origin: "A"}, {Name: n2, Value: v2, Origin: "B"}}, Allow{}, nil)
		if err != nil {
			return
		}
		if o.ContinueOnFailure || o.NoOSPackages || o.Threshold() < verdict.High.Rank() || o.Unrated.Rank() > verdict.High.Rank() || o.Unrated.Rank() < 0 {
			t.Errorf("%s=%s %s=%s: %+v", n1, v1, n2, v2, o)
		}
		for _, i := range ignored {
			if (i.Name != n1 || i.Value != v1) && (i.Name != n2 || i.Value != v2) {
				t.Errorf("ignored %+v was not sent", i)
			}
		}
	})
}

func TestAllowOf(t *testing.T) {
	if _, err := AllowOf("fail-on", "unrated", "continue-on-failure"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"strict", "fail_on", ""} {
		if _, err := AllowOf("fail-on", name); err == nil {
			t.Errorf("AllowOf took %q", name)
		}
	}
}
