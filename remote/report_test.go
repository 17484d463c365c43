package remote_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"assay/remote"
)

// Reports are asked for by name, and are not part of the verdict. The field is removed from
// its JSON wherever it is.
func TestReports(t *testing.T) {
	const reports = `"reports":{"sarif":"{\"a\":\"\u003c,\\\"reports\\\":{\"}\n","csv":"a,b\n"}`
	last := strings.TrimSuffix(pass, "}") + "," + reports + "}"
	first := "{ " + reports + " , " + strings.TrimPrefix(pass, "{")
	middle := strings.Replace(pass, `"scan":`, "\n  "+reports+",\n  \"scan\":", 1)
	for name, body := range map[string]string{"last": last, "first": first, "middle": middle} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			client, err := remote.New(serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Query()["report"]
				answer(w, 200, "application/json", body)
			}))
			if err != nil {
				t.Fatal(err)
			}
			result, err := client.Scan(t.Context(), scan, "sarif", "csv", "html")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(asked, []string{"sarif", "csv", "html"}) {
				t.Errorf("asked for %q", asked)
			}
			if result.Distrusted != nil || len(result.Reports) != 2 || result.Reports["csv"] != "a,b\n" || result.Verdict.Reports != nil {
				t.Errorf("%+v", result)
			}
			var got, want any
			if err := json.Unmarshal(result.JSON, &got); err != nil {
				t.Fatalf("%v: %s", err, result.JSON)
			}
			if err := json.Unmarshal([]byte(pass), &want); err != nil {
				t.Fatal(err)
			}
			if g, w := encode(t, got), encode(t, want); g != w {
				t.Errorf("the JSON is %s, want %s", g, w)
			}
		})
	}
}

// A verdict that the client does not believe has no reports: they would say that it passed.
func TestNoReportsOfADistrustedVerdict(t *testing.T) {
	body := strings.Replace(strings.TrimSuffix(pass, "}")+`,"reports":{"sarif":"{}"}}`, `"failing":0`, `"failing":1`, 1)
	client, err := remote.New(serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) }))
	if err != nil {
		t.Fatal(err)
	}
	result, err := client.Scan(t.Context(), scan, "sarif")
	if err != nil {
		t.Fatal(err)
	}
	if result.Distrusted == nil || len(result.Reports) > 0 || result.Verdict.Decision.Code != 5 || strings.Contains(string(result.JSON), "sarif") {
		t.Errorf("%+v\n%s", result, result.JSON)
	}
}

// A report that repeats the token in an encoded form is refused like a verdict that does.
func TestTokenInAReport(t *testing.T) {
	plain := strings.TrimSuffix(pass, "}") + `,"reports":{"csv":"` + secret + `"}}`
	coded := strings.Replace(plain, secret, `%61`+secret[1:], 1)
	result, err := func() (remote.Result, error) {
		client, err := remote.New(serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", plain) }))
		if err != nil {
			t.Fatal(err)
		}
		return client.Scan(t.Context(), scan, "csv")
	}()
	if err != nil || result.Reports["csv"] != "[token]" {
		t.Errorf("%v, %q", err, result.Reports)
	}
	fails(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", coded) }),
		remote.Answer, "repeats the token", "bug")
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
