package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"pilothouse/e2e/aggregated/library"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// shelf is what all stores of books share: the books in memory, and everything
// that has happened to them. What happened at an index of the log has that
// index plus one as its resourceVersion.
type shelf struct {
	mu      sync.Mutex
	books   map[string]*library.Book
	log     []watch.Event
	changed chan struct{} // closed by the next change
}

// books serves a shelf as a resource.
type books struct {
	*shelf
	rest.TableConvertor
	strategy strategy
}

var (
	_ rest.StandardStorage = &books{}
	_ rest.Patcher         = &books{}
)

var booksResource = schema.GroupResource{Group: library.GroupVersion.Group, Resource: "books"}

func newBooks(scheme *runtime.Scheme) *books {
	return &books{
		shelf: &shelf{books: map[string]*library.Book{}, changed: make(chan struct{})}, TableConvertor: columns{},
		strategy: newStrategy(scheme),
	}
}

func (b *books) New() runtime.Object     { return &library.Book{} }
func (b *books) NewList() runtime.Object { return &library.BookList{} }
func (b *books) Destroy()                {}
func (b *books) NamespaceScoped() bool   { return true }
func (b *books) GetSingularName() string { return "book" }
func (b *books) ShortNames() []string    { return []string{"bk"} }
func (b *books) Categories() []string    { return []string{"all"} }

func key(ctx context.Context, name string) string { return request.NamespaceValue(ctx) + "/" + name }

// put notes that a book is so from now on. mu is held.
func (s *shelf) put(key string, what watch.EventType, b *library.Book) *library.Book {
	b.ResourceVersion = strconv.Itoa(len(s.log) + 1)
	if what == watch.Deleted {
		delete(s.books, key)
	} else {
		s.books[key] = b
	}
	s.log = append(s.log, watch.Event{Type: what, Object: b})
	close(s.changed)
	s.changed = make(chan struct{})
	return b.DeepCopyObject().(*library.Book)
}

func (b *books) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if book := b.books[key(ctx, name)]; book != nil {
		return book.DeepCopyObject(), nil
	}
	return nil, apierrors.NewNotFound(booksResource, name)
}

// wants tells whether a request for many is about a book.
func wants(ctx context.Context, o *internalversion.ListOptions, b *library.Book) bool {
	if ns := request.NamespaceValue(ctx); ns != "" && ns != b.Namespace {
		return false
	}
	if o == nil {
		return true
	}
	return (o.LabelSelector == nil || o.LabelSelector.Matches(labelsOf(b))) &&
		(o.FieldSelector == nil || o.FieldSelector.Matches(fields.Set{"metadata.name": b.Name, "metadata.namespace": b.Namespace}))
}

func (b *books) List(ctx context.Context, o *internalversion.ListOptions) (runtime.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := &library.BookList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(len(b.log))}, Items: []library.Book{}}
	for _, book := range b.books {
		if wants(ctx, o, book) {
			list.Items = append(list.Items, *book.DeepCopyObject().(*library.Book))
		}
	}
	return list, nil
}

func (b *books) Create(ctx context.Context, obj runtime.Object, valid rest.ValidateObjectFunc, o *metav1.CreateOptions) (runtime.Object, error) {
	made := obj.(*library.Book)
	rest.FillObjectMetaSystemFields(made)
	if made.Name == "" && made.GenerateName != "" {
		made.Name = b.strategy.GenerateName(made.GenerateName)
	}
	if err := rest.BeforeCreate(b.strategy, ctx, obj); err != nil {
		return nil, err
	}
	if err := valid(ctx, obj.DeepCopyObject()); err != nil {
		return nil, err
	}
	book := obj.(*library.Book)
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key(ctx, book.Name)
	switch {
	case b.books[k] != nil:
		return nil, apierrors.NewAlreadyExists(booksResource, book.Name)
	case len(o.DryRun) > 0:
		return book, nil
	}
	return b.put(k, watch.Added, book.DeepCopyObject().(*library.Book)), nil
}

func (b *books) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, valid rest.ValidateObjectUpdateFunc, mayCreate bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return b.update(ctx, b.strategy, name, info, create, valid, mayCreate, o)
}

// update changes a book by the rules of a strategy.
func (b *books) update(ctx context.Context, by strategy, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, valid rest.ValidateObjectUpdateFunc, mayCreate bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	b.mu.Lock()
	old := b.books[key(ctx, name)]
	b.mu.Unlock()
	if old == nil {
		if !mayCreate {
			return nil, false, apierrors.NewNotFound(booksResource, name)
		}
		obj, err := info.UpdatedObject(ctx, &library.Book{})
		if err != nil {
			return nil, false, err
		}
		made, err := b.Create(ctx, obj, create, &metav1.CreateOptions{DryRun: o.DryRun})
		return made, true, err
	}
	obj, err := info.UpdatedObject(ctx, old.DeepCopyObject())
	if err != nil {
		return nil, false, err
	}
	book := obj.(*library.Book)
	if v := book.ResourceVersion; v != "" && v != old.ResourceVersion {
		return nil, false, changedMeanwhile(name)
	}
	if err := rest.BeforeUpdate(by, ctx, book, old.DeepCopyObject()); err != nil {
		return nil, false, err
	}
	if err := valid(ctx, book.DeepCopyObject(), old.DeepCopyObject()); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key(ctx, name)
	switch {
	case b.books[k] != old:
		return nil, false, changedMeanwhile(name)
	case len(o.DryRun) > 0:
		return book, false, nil
	case book.DeletionTimestamp != nil && len(book.Finalizers) == 0:
		return b.put(k, watch.Deleted, book), false, nil
	}
	return b.put(k, watch.Modified, book), false, nil
}

func changedMeanwhile(name string) error {
	return apierrors.NewConflict(booksResource, name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
}

func (b *books) Delete(ctx context.Context, name string, valid rest.ValidateObjectFunc, o *metav1.DeleteOptions) (runtime.Object, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key(ctx, name)
	old := b.books[k]
	if old == nil {
		return nil, false, apierrors.NewNotFound(booksResource, name)
	}
	if p := o.Preconditions; p != nil && (p.UID != nil && *p.UID != old.UID || p.ResourceVersion != nil && *p.ResourceVersion != old.ResourceVersion) {
		return nil, false, changedMeanwhile(name)
	}
	if err := valid(ctx, old.DeepCopyObject()); err != nil {
		return nil, false, err
	}
	book := old.DeepCopyObject().(*library.Book)
	if o.PropagationPolicy != nil && *o.PropagationPolicy == metav1.DeletePropagationForeground && book.DeletionTimestamp == nil {
		book.Finalizers = append(book.Finalizers, metav1.FinalizerDeleteDependents)
	}
	switch {
	case len(o.DryRun) > 0:
		return book, true, nil
	case len(book.Finalizers) == 0:
		return b.put(k, watch.Deleted, book), true, nil
	case book.DeletionTimestamp == nil:
		now, grace := metav1.Now(), int64(0)
		book.DeletionTimestamp, book.DeletionGracePeriodSeconds = &now, &grace
		return b.put(k, watch.Modified, book), false, nil
	}
	return book, false, nil
}

func (b *books) DeleteCollection(ctx context.Context, valid rest.ValidateObjectFunc, o *metav1.DeleteOptions, which *internalversion.ListOptions) (runtime.Object, error) {
	all, err := b.List(ctx, which)
	if err != nil {
		return nil, err
	}
	list := all.(*library.BookList)
	for i := range list.Items {
		if _, _, err := b.Delete(ctx, list.Items[i].Name, valid, o.DeepCopy()); err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	return list, nil
}
