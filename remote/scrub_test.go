package remote_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"assay/remote"
)

// A verdict, or a header, that repeats the token is taken without it, however its
// characters are written.
func TestTokenIsScrubbedFromAVerdict(t *testing.T) {
	escaped := ""
	for _, c := range secret {
		escaped += fmt.Sprintf(`\u%04X`, c)
	}
	for name, text := range map[string]string{
		"plain": secret, "escaped": escaped, "half": escaped[:6*20] + secret[20:],
		"in words": `\"Bearer ` + secret + `\"`, "twice": secret + secret,
		"behind backslashes": `\\` + secret + `\\u005f`,
	} {
		var notices []string
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Assay-Version", "9.9.9-"+secret)
			answer(w, 200, "application/json", `{"version":1,"scan":"s1","report":"`+text+`","decision":{"outcome":"untrusted","code":5,"reasons":[{"rule":"no-data","text":"`+text+`"}]}}`)
		})
		c.Version = "0.1.0"
		c.Notice = func(line string) { notices = append(notices, line) }
		v, raw, err := send(t, c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var other any
		if err := json.Unmarshal(raw, &other); err != nil {
			t.Errorf("%s: %v in %s", name, err, raw)
		}
		said := fmt.Sprint(string(again), other, string(raw), notices)
		if strings.Contains(said, secret) || !strings.Contains(v.Report, "[token]") || len(notices) != 1 {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// What is no letter of a token stays as it is written.
func TestScrubLeavesEscapes(t *testing.T) {
	body := strings.Replace(pass, `"scan":"s1"`, `"scan":"a\\u0041\u003c\u00e9\n\""`, 1)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) })
	v, raw, err := send(t, c)
	if err != nil || string(raw) != body || v.Scan != "a\\u0041<é\n\"" {
		t.Errorf("%q, %s, %v", v.Scan, raw, err)
	}
}

func TestExamineScrubs(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Assay-Version", "9.9.9-"+secret)
		answer(w, 200, "application/json", `{"status":"ok","records":1,"name":"`+secret+`","scopes":["scan"]}`)
	})
	client, err := remote.New(c)
	if err != nil {
		t.Fatal(err)
	}
	checks := 0
	client.Examine(t.Context(), func(check remote.Check) {
		checks++
		if strings.Contains(fmt.Sprint(check), secret) {
			t.Errorf("%v", check)
		}
	})
	if checks < 5 {
		t.Errorf("%d checks", checks)
	}
}
