// Members, as the pages know them.

export const PASSWORD = 'testpass123';

/** Fills in the form of new members and sends it. `first` is also where the address comes from. */
export async function signUp(page, base, { first = 'Aïssatou', last = 'Diallo', email } = {}) {
  const at = (id) => page.getByTestId(id);
  const tag = `${Date.now().toString(36)}${Math.floor(Math.random() * 1296).toString(36)}`;
  const plain = first
    .normalize('NFD')
    .replace(/[^a-zA-Z]/g, '')
    .toLowerCase();
  const address = email ?? `${plain}.${tag}@example.org`;
  await page.goto(`${base}/`);
  await at('home-register').click();
  await at('field-first_name').fill(first);
  await at('field-last_name').fill(last);
  await at('field-phone_number').fill('+224620000000');
  await at('geo-region').selectOption({ label: 'Conakry' });
  await at('geo-commune').selectOption({ label: 'Ratoma' });
  await at('geo-quartier').selectOption({ index: 1 });
  await at('field-email').fill(address);
  await at('field-username').fill(`${plain}.${tag}`);
  await at('field-password').fill(PASSWORD);
  await at('field-password_confirm').fill(PASSWORD);
  await at('submit-register').click();
  await at('account').waitFor();
  return { email: address, password: PASSWORD };
}

/** Signs in, by the keyboard alone. */
export async function signIn(page, base, email, password = PASSWORD) {
  await page.goto(`${base}/connexion`);
  await page.getByTestId('field-email').fill(email);
  await page.getByTestId('field-password').fill(password);
  await page.keyboard.press('Enter');
  await page.getByTestId('account').waitFor();
}
