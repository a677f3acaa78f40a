package library

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is that of the kinds.
var GroupVersion = schema.GroupVersion{Group: "library.example.org", Version: "v1"}

// AddToScheme adds the kinds, as version v1 and as what v1 is converted to: they
// are the same.
func AddToScheme(s *runtime.Scheme) error {
	for _, gv := range []schema.GroupVersion{GroupVersion, {Group: GroupVersion.Group, Version: runtime.APIVersionInternal}} {
		s.AddKnownTypes(gv, &Book{}, &BookList{})
	}
	metav1.AddToGroupVersion(s, GroupVersion)
	return s.SetVersionPriority(GroupVersion)
}

// Book is one that can be lent.
type Book struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BookSpec   `json:"spec,omitempty"`
	Status BookStatus `json:"status,omitempty"`
}

// BookSpec says what book it is.
type BookSpec struct {
	// Title is what stands on the cover.
	Title string `json:"title"`
	// Pages is how many there are.
	Pages int32 `json:"pages,omitempty"`
	// Subjects are what it is about.
	// +listType=set
	Subjects []string `json:"subjects,omitempty"`
}

// BookStatus says where the book is.
type BookStatus struct {
	// LentTo is who has it.
	LentTo string `json:"lentTo,omitempty"`
}

// BookList is a list of Books.
type BookList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Book `json:"items"`
}

// OpenAPIModelName is the name of the kind's model.
func (Book) OpenAPIModelName() string { return "org.example.library.v1.Book" }

// OpenAPIModelName is the name of the list's model.
func (BookList) OpenAPIModelName() string { return "org.example.library.v1.BookList" }

// OpenAPIModelName is the name of the spec's model.
func (BookSpec) OpenAPIModelName() string { return "org.example.library.v1.BookSpec" }

// OpenAPIModelName is the name of the status's model.
func (BookStatus) OpenAPIModelName() string { return "org.example.library.v1.BookStatus" }

// DeepCopyObject gives a Book that shares nothing with this one.
func (b *Book) DeepCopyObject() runtime.Object {
	out := *b
	b.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Subjects = append([]string(nil), b.Spec.Subjects...)
	return &out
}

// DeepCopyObject gives a list that shares nothing with this one.
func (l *BookList) DeepCopyObject() runtime.Object {
	out := *l
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Book, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*Book)
	}
	return &out
}
