package remote_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"assay/remote"
)

// The token is removed from a verdict or a header that repeats it, also if its characters are
// escaped.
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

// Escapes of characters that are not in tokens stay unchanged.
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

// TestEncodedTokenIsRejected answers with a token that is encoded in part, so that
// removing it from the JSON would not be enough.
func TestEncodedTokenIsRejected(t *testing.T) {
	percent, double := "", ""
	for i := range len(secret) {
		percent += fmt.Sprintf("%%%02x", secret[i])
		double += fmt.Sprintf(`\\u%04x`, secret[i])
	}
	for name, text := range map[string]string{
		"percent":           percent,
		"percent, in part":  secret[:10] + percent[3*10:3*20] + secret[20:],
		"percent, twice":    strings.ReplaceAll(percent, "%", "%25"),
		"escaped twice":     double,
		"escaped, in part":  secret[:5] + double[7*5:7*6] + secret[6:],
		"percent of escape": "%5Cu0061" + secret[1:],
		"escape of percent": `\u002561` + secret[1:],
	} {
		for _, status := range []int{200, 400} {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				body := strings.Replace(pass, `"scan":"s1"`, `"scan":"s1","report":"`+text+`"`, 1)
				if status != 200 {
					body = `{"error":"` + text + `","hint":"` + strings.Repeat("x", 280) + text + `"}`
				}
				answer(w, status, "application/json", body)
			})
			v, raw, err := send(t, c)
			if err == nil {
				t.Errorf("%s, status %d: accepted: %s %s", name, status, v.Report, raw)
				continue
			}
			e, ok := errors.AsType[*remote.Error](err)
			if !ok {
				t.Fatal(err)
			}
			said := e.Error() + e.Hint()
			if status == 200 && e.Kind != remote.Answer || status == 400 && !strings.Contains(said, "[token]") {
				t.Errorf("%s, status %d: %v", name, status, err)
			}
			if strings.Contains(said, secret[20:]) || strings.Contains(said, percent[3*20:]) || strings.Contains(said, strings.ReplaceAll(double[7*20:], `\\`, `\`)) {
				t.Errorf("%s, status %d: %s", name, status, said)
			}
		}
	}
}

// TestRepeatedKeys sends verdicts in which a key is repeated. Without the check the
// last one would count.
func TestRepeatedKeys(t *testing.T) {
	for name, change := range map[string][2]string{
		"the same":       {`"outcome":"pass"`, `"outcome":"fail","outcome":"pass"`},
		"another case":   {`"outcome":"pass"`, `"Outcome":"fail","outcome":"pass"`},
		"another letter": {`"scan":"s1"`, `"ſcan":"s0","scan":"s1"`},
		"at the top":     {`"scan":"s1"`, `"scan":"s0","scan":"s1"`},
		"escaped":        {`"scan":"s1"`, `"\u0073can":"s0","scan":"s1"`},
		"behind a list":  {`"scan":"s1"`, `"x":[{"a":1},[],{}],"scan":"s0","scan":"s1"`},
		"unknown":        {`"scan":"s1"`, `"x":{"y":1,"y":2},"scan":"s1"`},
	} {
		body := strings.Replace(pass, change[0], change[1], 1)
		if body == pass || !json.Valid([]byte(body)) {
			t.Fatalf("%s: %s", name, body)
		}
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) })
		_, _, err := send(t, c)
		if e, ok := errors.AsType[*remote.Error](err); !ok || e.Kind != remote.Answer || !strings.Contains(e.Error(), "is repeated") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same key in different objects is not repeated.
	body := strings.Replace(pass, `"scan":"s1"`, `"x":[{"scan":1},{"scan":{"scan":2}}],"scan":"s1"`, 1)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "application/json", body) })
	if _, _, err := send(t, c); err != nil {
		t.Error(err)
	}
}
