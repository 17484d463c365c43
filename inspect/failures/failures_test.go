package failures_test

import (
	"errors"
	"testing"

	"assay/inspect/failures"
)

func TestList(t *testing.T) {
	bad := errors.New("bad")
	worse := errors.New("worse")
	var list failures.List
	if err := list.Err("invalid lines"); err != nil {
		t.Errorf("empty: %v", err)
	}
	for _, tt := range []struct {
		line int
		err  error
		want string
	}{
		{7, bad, "line 7: bad"},
		{9, worse, "line 7: bad, and 1 more invalid lines"},
		{2, worse, "line 2: worse, and 2 more invalid lines"},
	} {
		list.Add(tt.line, tt.err)
		if err := list.Err("invalid lines"); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if list.Len() != 3 || !errors.Is(list.Err(""), worse) {
		t.Errorf("%d errors, %v", list.Len(), list.Err(""))
	}
	var without failures.List
	without.Add(0, bad)
	without.Add(0, worse)
	if err := without.Err("errors"); err.Error() != "bad, and 1 more errors" {
		t.Error(err)
	}
}
