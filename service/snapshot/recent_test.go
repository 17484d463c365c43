package snapshot

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"assay/service/index"
)

// Cached entries belong to the state of the view.
func TestRecentFollowsState(t *testing.T) {
	records := debianRecords(t, 3000)
	src := newMemory()
	src.put(records...)
	db := openTemp(t)
	catchUp(t, db, src)
	linux := func(v *View) []index.Affected {
		t.Helper()
		entries, err := v.Affected("Debian:12", "linux")
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	old := view(t, db)
	before := linux(old)
	if again := linux(view(t, db)); !reflect.DeepEqual(again, before) {
		t.Error("asked twice, two answers")
	}
	memo := old.Memo()
	if memo == nil || view(t, db).Memo() != memo {
		t.Error("views of one state do not share their memo")
	}
	changed := modify(t, records[0]) // now of linux, with versions
	src.put(changed)
	catchUp(t, db, src)
	after := linux(view(t, db))
	at := slices.IndexFunc(after, func(a index.Affected) bool { return a.Advisory == changed.ID })
	if at < 0 || !slices.Equal(after[at].Versions, []string{"1", "2"}) {
		t.Errorf("the new state does not have %s: %+v", changed.ID, after)
	}
	if !reflect.DeepEqual(linux(old), before) {
		t.Error("the old view has changed")
	}
	if later := view(t, db).Memo(); later == nil || later == memo || old.Memo() != memo {
		t.Error("the memo of the old state is that of the new one")
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := &recent{entries: map[string]recentEntries{}}
	list := make([]index.Affected, 10000)
	for i := range 500 {
		r.put(fmt.Append(nil, i), list, 1000)
	}
	one := entryBytes*len(list) + valueFactor*1000
	if n := len(r.entries); n != recentBytes/one || r.size != n*one {
		t.Errorf("%d packages of %d bytes are kept, %d bytes counted", n, one, r.size)
	}
	if got, ok := r.get([]byte("499")); !ok || len(got) != len(list) {
		t.Error("the last one is not kept")
	}
	r.put([]byte("huge"), make([]index.Affected, recentBytes/entryBytes), 0)
	if _, ok := r.get([]byte("huge")); ok {
		t.Error("one package takes all the space")
	}
}
