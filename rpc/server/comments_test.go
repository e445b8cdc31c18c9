package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// comments are what Go sources say about "Type", "Type.Field", "Type.Method",
// "Const" and "package rpc", each on one line.
type comments map[string]string

// readComments reads the sources that the document describes. Of two types of
// one name the first file wins: the contract comes before the events.
func readComments(t *testing.T) comments {
	c := make(comments)
	for _, pattern := range []string{"../*.go", "*.go", "../../daemon/event/types.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no sources at %s: %v", pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			c.add("package "+file.Name.Name, file.Doc)
			for _, d := range file.Decls {
				c.addDecl(d)
			}
		}
	}
	return c
}

func (c comments) add(name string, groups ...*ast.CommentGroup) {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" && c[name] == "" {
			c[name] = text
		}
	}
}

func (c comments) addDecl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return
		}
		receiver := d.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if ident, ok := receiver.(*ast.Ident); ok {
			c.add(ident.Name+"."+d.Name.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			c.addSpec(d, spec)
		}
	}
}

func (c comments) addSpec(d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		c.add(spec.Names[0].Name, spec.Doc, spec.Comment)
	case *ast.TypeSpec:
		c.add(spec.Name.Name, spec.Doc)
		if !d.Lparen.IsValid() {
			c.add(spec.Name.Name, d.Doc)
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, field := range s.Fields.List {
			for _, name := range field.Names {
				c.add(spec.Name.Name+"."+name.Name, field.Doc, field.Comment)
			}
		}
	}
}
