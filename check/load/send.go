package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"assay/check/inventories"
)

// A body is a compressed inventory without its end. The method of adds the end, so that
// one inventory becomes scans of many projects, refs and commits.
type body []byte

// of returns the document of the n-th scan. It consists of two gzip members, which
// decompress to their concatenated contents.
func (b body) of(n int64) []byte {
	const end = `,"metadata":{"properties":[{"name":"assay:option:flag:project","value":"project%d"},` +
		`{"name":"assay:option:flag:ref","value":"branch%d"},{"name":"assay:option:flag:commit","value":"%040x"}]}}`
	var out bytes.Buffer
	out.Write(b)
	z := writers.Get().(*gzip.Writer)
	defer writers.Put(z)
	z.Reset(&out)
	fmt.Fprintf(z, end, n%500, n/500%20, n)
	_ = z.Close() // a bytes.Buffer returns no errors
	return out.Bytes()
}

// writers has *gzip.Writer values: making a new one takes longer than the compression.
var writers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// bodies returns inventories of ordinary images: every tenth with 50 to 1,000 packages. If
// most is not 0, it returns the largest one with at most that number of packages.
func bodies(testdata string, most int) ([]body, error) {
	all, err := inventories.All(testdata)
	if err != nil {
		return nil, err
	}
	var chosen []inventories.Inventory
	ordinary := 0
	for _, i := range all {
		if _, _, ok := i.System(); !ok {
			continue
		}
		if n := len(i.PURLs); most > 0 {
			if n <= most && (len(chosen) == 0 || n > len(chosen[0].PURLs)) {
				chosen = []inventories.Inventory{i}
			}
			continue
		} else if n < 50 || n > 1000 {
			continue
		}
		if ordinary++; ordinary%10 == 0 {
			chosen = append(chosen, i)
		}
	}
	var docs []body
	for _, i := range chosen {
		doc, err := i.Document()
		if err != nil {
			return nil, err
		}
		packed, err := pack(bytes.TrimSuffix(doc, []byte("}")))
		if err != nil {
			return nil, err
		}
		docs = append(docs, packed)
	}
	if len(docs) == 0 {
		return nil, errors.New("the test data has no inventory of that size")
	}
	return docs, nil
}

func pack(doc []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(doc)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

// client returns a client that opens a connection to assayd for each concurrent request
// and waits for an answer as long as patience.
func client(patience time.Duration) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
			MaxIdleConnsPerHost: 10_000,
			DisableCompression:  true,
		},
	}
}

// An answer is the status of a request and how long the service says to wait.
type answer struct {
	status int
	wait   time.Duration
	took   time.Duration
	body   []byte
}

func request(ctx context.Context, c *http.Client, method, url, token string, body []byte, keep bool) (a answer, err error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/vnd.cyclonedx+json")
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{took: time.Since(start)}, err
	}
	defer resp.Body.Close()
	if keep {
		a.body, err = io.ReadAll(resp.Body)
	} else {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	a.status, a.took = resp.StatusCode, time.Since(start)
	if seconds, aerr := strconv.Atoi(resp.Header.Get("Retry-After")); aerr == nil {
		a.wait = time.Duration(seconds) * time.Second
	}
	return a, err
}

func (a answer) shed() bool {
	return a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout
}

// A tally counts the answers of one measurement.
type tally struct {
	mu       sync.Mutex
	answered []time.Duration // answers 200, how long each took
	shed     int             // answers 408, 429 and 503
	refused  map[int]int     // other answers, by status
	failed   int             // no answer
	first    error           // of those that failed
}

func (t *tally) add(a answer, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
		t.failed++
		if t.first == nil {
			t.first = err
		}
	case a.status == http.StatusOK:
		t.answered = append(t.answered, a.took)
	case a.shed():
		t.shed++
	default:
		if t.refused == nil {
			t.refused = map[int]int{}
		}
		t.refused[a.status]++
	}
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf("%d answered, %d shed, %d without an answer", len(t.answered), t.shed, t.failed)
	if len(t.answered) > 0 {
		slices.Sort(t.answered)
		text += fmt.Sprintf("; p50 %s, p99 %s, longest %s",
			round(t.answered[len(t.answered)/2]), round(t.answered[len(t.answered)*99/100]), round(t.answered[len(t.answered)-1]))
	}
	if len(t.refused) > 0 {
		text += fmt.Sprintf("; other statuses %v", t.refused)
	}
	if t.first != nil {
		text += fmt.Sprintf("; first error: %v", t.first)
	}
	return text
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// scanning sends scans over n connections until the number scans is answered or the time
// bound has passed. A refused connection waits as long as Retry-After says.
func scanning(ctx context.Context, c *http.Client, url, token string, bodies []body, n, scans int, bound time.Duration) (*tally, time.Duration) {
	ctx, stop := context.WithTimeout(ctx, bound)
	defer stop()
	var t tally
	var sent, answered atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	sent.Store(start.UnixMicro()) // other numbers than those of earlier calls
	for range n {
		group.Go(func() {
			for ctx.Err() == nil && answered.Load() < int64(scans) {
				i := sent.Add(1)
				body := bodies[i%int64(len(bodies))].of(i)
				a, err := request(context.WithoutCancel(ctx), c, http.MethodPost, url+"/api/v1/scans", token, body, false)
				t.add(a, err)
				if err == nil && a.status == http.StatusOK {
					answered.Add(1)
					continue
				}
				select { // never in a busy loop, whatever the answer is
				case <-time.After(max(a.wait, 100*time.Millisecond)):
				case <-ctx.Done():
				}
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	c.CloseIdleConnections()
	return &t, took
}
