package pgtest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A Proxy is between clients and a server, and fails as networks do. Connections through
// it must not be encrypted.
type Proxy struct {
	// Socket is the folder of its socket.
	Socket string

	to    string
	mu    sync.Mutex
	conns map[*proxied]bool
	mode  mode
	// Of the round to cut: how many rounds are left to it, and in which way.
	left     int
	answered bool
	fired    bool
}

type mode int

const (
	pass mode = iota
	swallow
	refuse
)

// A proxied connection.
type proxied struct {
	client, server net.Conn
	mu             sync.Mutex
	swallows       bool // for good: what was swallowed is missing
	cutAtReady     bool
}

func (c *proxied) close() {
	c.client.Close()
	c.server.Close()
}

// NewProxy starts a proxy to the server. It ends with the test.
func (s *Server) NewProxy(t testing.TB) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "px")
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf(".s.PGSQL.%d", Port)
	ln, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Socket: dir, to: filepath.Join(s.Socket, name), conns: map[*proxied]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.Cut()
		serving.Wait()
		os.RemoveAll(dir)
	})
	return p
}

// URL returns the address of a database through the proxy.
func (p *Proxy) URL(database string) string { return URL(p.Socket, database) }

// Pass lets everything pass again, but for connections that something was swallowed of.
func (p *Proxy) Pass() { p.set(pass) }

// Swallow drops whatever is sent, in both directions, and closes nothing. New
// connections are accepted.
func (p *Proxy) Swallow() { p.set(swallow) }

// Refuse closes all connections, and new ones at once.
func (p *Proxy) Refuse() { p.set(refuse); p.Cut() }

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.close()
	}
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

// CutRound closes the connection of the n-th round trip from now on, the first being 1:
// before the server gets it, or with answered when the server has answered, before the
// client gets that. It returns a function that reports whether this has happened, and
// that disarms it.
func (p *Proxy) CutRound(n int, answered bool) (fired func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.answered, p.fired = n, answered, false
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.left = 0
		return p.fired
	}
}

// round counts a round trip, and reports whether and how it is cut.
func (p *Proxy) round() (cut, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return false, false
	}
	p.left--
	p.fired = p.left == 0
	return p.fired, p.answered
}

// swallowing reports whether the connection drops what is sent.
func (p *Proxy) swallowing(c *proxied) bool {
	p.mu.Lock()
	m := p.mode
	p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.swallows = c.swallows || m == swallow
	return c.swallows
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("unix", p.to)
	if err != nil {
		client.Close()
		return
	}
	c := &proxied{client: client, server: server}
	p.mu.Lock()
	p.conns[c] = true
	refused := p.mode == refuse
	p.mu.Unlock()
	defer func() {
		c.close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	if refused {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { defer c.close(); _ = p.fromClient(c) }) // it ends with the connection
	both.Go(func() { defer c.close(); _ = p.fromServer(c) })
	both.Wait()
}

// message reads one message of the protocol: a type, unless it is the first of a client,
// a length that includes itself, and the rest.
func message(r *bufio.Reader, typed bool) ([]byte, error) {
	top := 4
	if typed {
		top = 5
	}
	m := make([]byte, top)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(m[top-4:])) - 4
	if size < 0 || size > 1<<30 {
		return nil, errors.New("not the protocol of PostgreSQL")
	}
	rest := make([]byte, size)
	_, err := io.ReadFull(r, rest)
	return append(m, rest...), err
}

func (p *Proxy) fromClient(c *proxied) error {
	r := bufio.NewReader(c.client)
	for first := true; ; first = false {
		m, err := message(r, !first)
		if err != nil {
			return err
		}
		if !first && (m[0] == 'Q' || m[0] == 'S') { // a query, or the end of a pipeline
			if cut, answered := p.round(); cut && !answered {
				return nil
			} else if cut {
				c.mu.Lock()
				c.cutAtReady = true
				c.mu.Unlock()
			}
		}
		if p.swallowing(c) {
			continue
		}
		if _, err := c.server.Write(m); err != nil {
			return err
		}
	}
}

func (p *Proxy) fromServer(c *proxied) error {
	r := bufio.NewReader(c.server)
	for {
		m, err := message(r, true)
		if err != nil {
			return err
		}
		c.mu.Lock()
		cut := c.cutAtReady
		c.mu.Unlock()
		if cut && (m[0] == 'Z' || m[0] == 'G') {
			return nil // ready for the next query, or for the rows of a COPY
		}
		if cut || p.swallowing(c) {
			continue
		}
		if _, err := c.client.Write(m); err != nil {
			return err
		}
	}
}
