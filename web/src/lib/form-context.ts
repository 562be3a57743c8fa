/** Under this name the fields of a form find it. Apart, because a field also stands alone. */
export const FORM = 'form';
