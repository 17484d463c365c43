package encode

import "testing"

func TestPassed(t *testing.T) {
	for text, want := range map[string]bool{
		`{"version":1,"scan":"a","decision":{"outcome":"pass","code":0},"findings":[]}`: true,
		`{"decision":{"outcome":"pass","code":0}} and what is never read`:               true,
		`{"scan":"a","project_inherited":true,"decision":{"outcome":"pass","code":0}}`:  false,
		`{"scan":"a","project_inherited":false,"decision":{"outcome":"pass","code":0}}`: true,
		`{"decision":{"outcome":"pass","code":4}}`:                                      false,
		`{"decision":{"outcome":"fail","code":4}}`:                                      false,
		`{"decision":{"outcome":"untrusted","code":5}}`:                                 false,
		`{"scan":{"decision":{"outcome":"pass","code":0}}}`:                             false,
		`{"scan":"decision","a":1}`:                                                     false,
		`{"decision":"pass"}`:                                                           false,
		`{"decision":{"outcome":"pass"`:                                                 false,
		`[]`:                                                                            false,
		`{"a`:                                                                           false,
		`{"a":}`:                                                                        false,
		``:                                                                              false,
	} {
		if got := Passed([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestOutcome(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"scan":"a","decision":{"outcome":"pass","code":0},"findings":[]}`: "pass",
		`{"scan":"a","project_inherited":true,"decision":{"outcome":"fail","code":4}}`:  "fail",
		`{"decision":{"outcome":"a\u0000b","code":0}}`:                                  "",
		`{"decision":{"outcome":"untrusted","code":5}} and what is never read`:          "untrusted",
		`{"scan":{"decision":{"outcome":"pass","code":0}}}`:                             "",
		`{"decision":"pass"}`: "",
		`{"decision":{}}`:     "",
		``:                    "",
	} {
		if got := Outcome([]byte(text)); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
