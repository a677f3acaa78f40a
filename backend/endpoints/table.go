package endpoints

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// tableForm is the table form of a resource that doesn't change from request to
// request.
type tableForm struct {
	columns []byte // JSON of columnDefinitions
}

// defaultColumns are those of resources that define none.
var defaultColumns = []registry.Column{
	{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
	{Name: "Created At", Type: "date", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
}

// plainColumns tells the columns of kinds that have no printer of their own.
func plainColumns(columns []registry.Column) bool {
	return len(columns) == len(defaultColumns) && columns[1].Name == defaultColumns[1].Name
}

func defaultCells(obj metav1.Object) []any {
	return []any{obj.GetName(), obj.GetCreationTimestamp().UTC().Format(time.RFC3339)}
}

func newTableForm(columns []registry.Column) *tableForm {
	if columns == nil {
		columns = defaultColumns
	}
	definitions := make([]metav1.TableColumnDefinition, len(columns))
	for i, c := range columns {
		definitions[i] = metav1.TableColumnDefinition{Name: c.Name, Type: c.Type, Format: c.Format, Description: c.Description, Priority: c.Priority}
	}
	b, err := json.Marshal(definitions)
	if err != nil {
		panic(fmt.Sprintf("BUG: column definitions: %v", err))
	}
	return &tableForm{columns: b}
}

// A row's cells are kept with the object, since most of what a table costs is
// reading the object for them. Ages are the exception: they change as time goes
// by. What is kept has a placeholder where the object's own age stands, and a
// row with any other cell that changes with time is not kept at all.
const (
	rowKept        = 'K' // followed by the creation time in seconds and the cells
	rowChanging    = 'C' // the cells have to be made each time
	agePlaceholder = 0x01
)

// tableRow is one row of a table as it is sent: cells with age in the place of
// the placeholder, and the object.
type tableRow struct {
	before, after []byte // the cells' JSON around the age
	age           string
	aged          bool
	object        []byte
}

// table answers with the rows of a list, or of one object.
func (c *call) table(status int, l *registry.List) (*request.Response, error) {
	o, err := tableOptions(c.r.Query())
	if err != nil {
		return nil, err
	}
	items, err := c.inRowOrder(l.Items)
	if err != nil {
		return nil, err
	}
	t := newTableStream(c, l, o)
	now := c.h.Clock()
	for _, obj := range items {
		row, err := c.row(obj, now, o)
		if err != nil {
			return nil, err
		}
		t.add(row)
	}
	if c.form.Type == scheme.MediaJSON && !c.pretty() {
		return &request.Response{Status: status, ContentType: scheme.MediaJSON, Stream: t}, nil
	}
	body, err := whole(t)
	if err != nil {
		return nil, err
	}
	return c.fromJSON(status, body)
}

// inRowOrder gives the objects of a list in the order of the table's rows.
func (c *call) inRowOrder(items []*watchcache.Object) ([]*watchcache.Object, error) {
	order := c.e.Resource.RowOrder
	if order == nil || len(items) < 2 {
		return items, nil
	}
	type decoded struct {
		item *watchcache.Object
		obj  scheme.Object
	}
	rows := make([]decoded, 0, len(items))
	for _, item := range items {
		obj, err := c.e.Store.Decode(item)
		if err != nil {
			return nil, err
		}
		rows = append(rows, decoded{item, obj})
	}
	slices.SortStableFunc(rows, func(a, b decoded) int { return order(a.obj, b.obj) })
	sorted := make([]*watchcache.Object, 0, len(rows))
	for _, row := range rows {
		sorted = append(sorted, row.item)
	}
	return sorted, nil
}

// row makes the row of one object.
func (c *call) row(o *watchcache.Object, now time.Time, opts *metav1.TableOptions) (tableRow, error) {
	row, err := c.cells(o, now)
	if err != nil {
		return row, err
	}
	return c.withObject(row, o, opts)
}

// withObject adds to a row what the client wants to have of its object.
func (c *call) withObject(row tableRow, o *watchcache.Object, opts *metav1.TableOptions) (_ tableRow, err error) {
	switch opts.IncludeObject {
	case metav1.IncludeNone:
	case metav1.IncludeObject:
		row.object, err = c.json(o)
	default:
		row.object, err = c.metadataJSON(o)
	}
	return row, err
}

// cells makes the cells of one object's row.
func (c *call) cells(o *watchcache.Object, now time.Time) (tableRow, error) {
	kept, err := o.Variant(c.v.keys.row, func() ([]byte, error) { return c.keepRow(o) })
	if err != nil {
		return tableRow{}, err
	}
	if kept[0] == rowKept {
		created := int64(binary.LittleEndian.Uint64(kept[1:9]))
		return splitRow(kept[9:], created, now), nil
	}
	obj, err := c.decodeForCells(o)
	if err != nil {
		return tableRow{}, err
	}
	return c.rowOf(obj, now)
}

// rowOf makes the cells of an object as it is: nothing is defaulted.
func (c *call) rowOf(obj scheme.Object, now time.Time) (tableRow, error) {
	b, err := c.appendRow(nil, obj, c.cellsOf(obj, func() time.Time { return now }), nil)
	return tableRow{before: b}, err
}

func splitRow(cells []byte, created int64, now time.Time) tableRow {
	for i, letter := range cells {
		if letter == agePlaceholder {
			return tableRow{before: cells[:i], after: cells[i+1:], aged: true, age: duration.HumanDuration(now.Sub(time.Unix(created, 0)))}
		}
	}
	return tableRow{before: cells}
}

// keepRow makes what is kept of a row. It finds out which cells change with
// time by making them at two times.
func (c *call) keepRow(o *watchcache.Object) ([]byte, error) {
	const early, late = time.Hour, 400 * 24 * time.Hour
	obj, err := c.decodeForCells(o)
	if err != nil {
		return nil, err
	}
	created := obj.GetCreationTimestamp().Time
	first := c.cellsOf(obj, func() time.Time { return created.Add(early) })
	second := c.cellsOf(obj, func() time.Time { return created.Add(late) })
	if len(first) != len(second) {
		return []byte{rowChanging}, nil
	}
	var age []bool
	for i := range first {
		if reflect.DeepEqual(first[i], second[i]) {
			continue
		}
		own := first[i] == duration.HumanDuration(early) && second[i] == duration.HumanDuration(late)
		if !own || age != nil {
			return []byte{rowChanging}, nil
		}
		age = make([]bool, len(first))
		age[i] = true
	}
	kept := binary.LittleEndian.AppendUint64([]byte{rowKept}, uint64(created.Unix()))
	return c.appendRow(kept, obj, first, age)
}

// decodeForCells gives an object in the version whose columns are shown: that
// of the request when it has columns of its own, the storage version otherwise.
func (c *call) decodeForCells(o *watchcache.Object) (scheme.Object, error) {
	obj, err := c.e.Store.Decode(o)
	if err != nil || c.e.Version.Cells == nil {
		return obj, err
	}
	return c.fromHub(obj)
}

func (c *call) cellsOf(obj scheme.Object, now registry.Clock) []any {
	switch {
	case c.e.Version.Cells != nil:
		return c.e.Version.Cells(obj, now)
	case c.e.Resource.Cells != nil:
		return c.e.Resource.Cells(obj, now)
	}
	return defaultCells(obj)
}

// appendRow adds the JSON of a row's cells and, where there are any, of its
// conditions, as it stands after "cells": in the row.
func (c *call) appendRow(b []byte, obj scheme.Object, cells []any, age []bool) ([]byte, error) {
	b, err := appendCells(b, cells, age)
	if err != nil {
		return nil, err
	}
	conditions := c.rowConditions(obj)
	if len(conditions) == 0 {
		return b, nil
	}
	value, err := json.Marshal(conditions)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("encode table conditions: %w", err))
	}
	return append(append(b, `,"conditions":`...), value...), nil
}

func (c *call) rowConditions(obj scheme.Object) []metav1.TableRowCondition {
	if c.e.Resource.RowConditions == nil {
		return nil
	}
	return c.e.Resource.RowConditions(obj)
}

// appendCells adds the JSON of cells to b, with the placeholder where age says.
func appendCells(b []byte, cells []any, age []bool) ([]byte, error) {
	b = append(b, '[')
	for i, cell := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		if age != nil && age[i] {
			b = append(b, agePlaceholder)
			continue
		}
		value, err := json.Marshal(cell)
		if err != nil {
			return nil, apierrors.NewInternalError(fmt.Errorf("encode table cell %d: %w", i, err))
		}
		b = append(b, value...)
	}
	return append(b, ']'), nil
}

// tableStream is a table in JSON, its rows made of kept cells and stored bytes.
type tableStream struct {
	head []byte
	rows []tableRow
	// objectHead and objectTail are what stands around a row's object.
	objectHead, objectTail string
	tail                   string
	len                    int64
}

const (
	rowHead = `{"cells":`
	rowMid  = `,"object":`
	rowTail = `}`
)

func newTableStream(c *call, l *registry.List, o *metav1.TableOptions) *tableStream {
	start := `{"kind":"Table","apiVersion":"` + c.form.As.GroupVersion().String() + `","metadata":{`
	head := append(listHead(start, l, false), `,"columnDefinitions":`...)
	if o.NoHeaders {
		head = append(head, "null"...)
	} else {
		head = append(head, c.v.table.columns...)
	}
	tail := listTail
	if len(l.Items) == 0 && plainColumns(columnsOf(c.e)) {
		// Kubernetes' printer of kinds without one of their own has no rows then.
		head, tail = append(head, `,"rows":null`...), "}"
	} else {
		head = append(head, `,"rows":[`...)
	}
	t := &tableStream{head: head, tail: tail, rows: make([]tableRow, 0, len(l.Items)), len: int64(len(head) + len(tail))}
	switch o.IncludeObject {
	case metav1.IncludeNone:
		t.objectTail = "null"
	case metav1.IncludeObject:
	default:
		t.objectHead, t.objectTail = partialHead(c.form.As.Version), "}"
	}
	return t
}

func (t *tableStream) add(row tableRow) {
	if len(t.rows) > 0 {
		t.len++ // the comma
	}
	t.rows = append(t.rows, row)
	t.len += int64(len(rowHead) + len(row.before) + len(row.after) + len(rowMid) +
		len(t.objectHead) + len(row.object) + len(t.objectTail) + len(rowTail))
	if row.aged {
		t.len += int64(len(row.age) + 2)
	}
}

// Len implements request.Stream.
func (t *tableStream) Len() int64 { return t.len }

// WriteTo implements request.Stream.
func (t *tableStream) WriteTo(w request.Writer) error {
	if _, err := w.Write(t.head); err != nil {
		return err
	}
	var scratch []byte
	for i := range t.rows {
		scratch = scratch[:0]
		if i > 0 {
			scratch = append(scratch, ',')
		}
		row := &t.rows[i]
		scratch = append(append(scratch, rowHead...), row.before...)
		if row.aged { // HumanDuration has nothing that JSON escapes
			scratch = append(append(append(scratch, '"'), row.age...), '"')
		}
		scratch = append(append(append(scratch, row.after...), rowMid...), t.objectHead...)
		if _, err := w.Write(scratch); err != nil {
			return err
		}
		if _, err := w.Write(row.object); err != nil {
			return err
		}
		if _, err := w.WriteString(t.objectTail + rowTail); err != nil {
			return err
		}
	}
	_, err := w.WriteString(t.tail)
	return err
}
