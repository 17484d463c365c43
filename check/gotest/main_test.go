package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"noise of a passing test\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: missing: test data: stat x\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"run","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:1: missing: rpm\n"}
{"Action":"skip","Package":"p","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p","Elapsed":0.1}
{"Action":"run","Package":"q","Test":"TestD"}
{"Action":"output","Package":"q","Test":"TestD","Output":"=== RUN   TestD\n"}
{"Action":"output","Package":"q","Test":"TestD","Output":"    d_test.go:1: wrong\n"}
{"Action":"fail","Package":"q","Test":"TestD","Elapsed":0}
{"Action":"run","Package":"q","Test":"TestE"}
{"Action":"output","Package":"q","Test":"TestE","Output":"panic: e\n"}
{"Action":"output","Package":"q","Output":"FAIL\tq\t0.1s\n"}
{"Action":"fail","Package":"q","Elapsed":0.1}
{"ImportPath":"r","Action":"build-output","Output":"r.go:1: syntax error\n"}
go: not an event
`
	var out strings.Builder
	sum, err := summarize(&out, strings.NewReader(events))
	if err != nil {
		t.Fatal(err)
	}
	const want = "ok  \tp\t0.1s\n    d_test.go:1: wrong\nFAIL\tq\t0.1s\npanic: e\nr.go:1: syntax error\ngo: not an event\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	const closing = "tests: 1 passed, 1 failed, 1 skipped without the test data (see CONTRIBUTING.md to get it), " +
		"1 skipped without a program or a right (make deps installs the programs)"
	if got := sum.String(); got != closing {
		t.Errorf("closing line %q, want %q", got, closing)
	}
}
