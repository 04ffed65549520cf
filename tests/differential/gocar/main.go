// Gocar reads and writes CAR files with go-car, which shares nothing with wattest: a peer for its tests.
//
// Each line of standard input is a question, each line of standard output its answer, both JSON, bytes in hex:
//
//	{"read": "..."}                            {"version": 1, "roots": ["cid"], "blocks": [{"cid": "...", "data": "..."}], "error": ""}
//	{"root": "...", "blocks": ["...", "..."]}  {"written": "...", "error": ""}
//
// Every block is hashed again and compared with its CID; "error" says why reading ended before the end of the file, and
// what was read before it is there. A written file is CARv1 with one raw SHA-256 root, the blocks in order, repeated ones
// repeated.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ipfs/go-cid"
	car "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multihash"
)

// Octets are bytes that JSON carries as hex.
type Octets []byte

// MarshalText is lower-case hex.
func (octets Octets) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString(octets)), nil
}

// UnmarshalText reads hex.
func (octets *Octets) UnmarshalText(text []byte) error {
	data, err := hex.DecodeString(string(text))
	*octets = data
	return err
}

// Question asks to read a file, or to write one of a root block and further blocks.
type Question struct {
	Read   *Octets
	Root   Octets
	Blocks []Octets
}

// Block is one block of a file and the CID that names it.
type Block struct {
	CID  string `json:"cid"`
	Data Octets `json:"data"`
}

// Answer says what was read, or what was written.
type Answer struct {
	Version uint64   `json:"version"`
	Roots   []string `json:"roots"`
	Blocks  []Block  `json:"blocks"`
	Written Octets   `json:"written"`
	Error   string   `json:"error"`
}

func main() {
	lines, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			err = errors.Join(ignoreEnd(err), answer(line, encoder))
		}
		if err == nil {
			continue
		}
		flushed := out.Flush()
		if errors.Is(err, io.EOF) && flushed == nil {
			return
		}
		fmt.Fprintln(os.Stderr, err, flushed)
		os.Exit(1)
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func answer(line []byte, encoder *json.Encoder) error {
	var question Question
	if err := json.Unmarshal(line, &question); err != nil {
		return err
	}
	if question.Read != nil {
		return encoder.Encode(read(*question.Read))
	}
	written, err := write(question.Root, question.Blocks)
	if err != nil {
		return err
	}
	return encoder.Encode(Answer{Written: written})
}

func read(data []byte) Answer {
	reader, err := car.NewBlockReader(bytes.NewReader(data))
	if err != nil {
		return Answer{Error: err.Error()}
	}
	found := Answer{Version: reader.Version}
	for _, root := range reader.Roots {
		found.Roots = append(found.Roots, root.String())
	}
	for {
		block, err := reader.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return found
		}
		if err != nil {
			found.Error = err.Error()
			return found
		}
		found.Blocks = append(found.Blocks, Block{CID: block.Cid().String(), Data: block.RawData()})
	}
}

func write(root []byte, blocks []Octets) ([]byte, error) {
	prefix := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: -1}
	name, err := prefix.Sum(root)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	writer, err := storage.NewWritable(&file, []cid.Cid{name}, car.WriteAsCarV1(true), car.AllowDuplicatePuts(true))
	if err != nil {
		return nil, err
	}
	for _, block := range append([]Octets{root}, blocks...) {
		name, err := prefix.Sum(block)
		if err != nil {
			return nil, err
		}
		if err := writer.Put(context.Background(), name.KeyString(), block); err != nil {
			return nil, err
		}
	}
	return file.Bytes(), writer.Finalize()
}
