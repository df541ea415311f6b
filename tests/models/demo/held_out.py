"""Agents, utterances and conversations that were written after the demo model was tuned on the others.

docs/decisions/demo-model-matches-words.md has the share that was right when they were first tried.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tests.models.demo.agents import Account
from tests.models.demo.utterances import Ask, Call, call
from voice_host.testing.sources import AgentSource
from voice_host_sdk import AgentConfig

Topping = Literal["olives", "mushrooms", "onions", "ham"]


# --- a pizza shop: lists, booleans, an address -----------------------------------------------------------------------


def order_pizza(
    pizza: Literal["margherita", "pepperoni", "four cheese"],
    size: Literal["small", "medium", "large"],
    quantity: int = 1,
    toppings: list[Topping] | None = None,
    delivery: bool = False,
) -> str:
    """Order a pizza.

    Args:
        pizza: Which pizza.
        size: How big.
        quantity: How many pizzas.
        toppings: What else goes on it.
        delivery: Whether it is delivered.
    """
    return f"{quantity} {size} {pizza}, coming up."


def order_status(order_number: int) -> dict[str, Any]:
    """Track an order: tell how far it is.

    Args:
        order_number: The number of the order.
    """
    return {"order_number": order_number, "status": "in the oven", "minutes_left": 12}


def change_address(address: str) -> str:
    """Change the delivery address.

    Args:
        address: Street and house number.
    """
    return f"We deliver to {address}."


def specials() -> list[str]:
    """Tell the specials, deals and offers of the week."""
    return ["two for one on Tuesdays", "free garlic bread"]


PIZZA = AgentConfig(
    title="Luigi's",
    description="Takes pizza orders.",
    tools=(order_pizza, order_status, change_address, specials),
)


# --- a bank: money, accounts, nothing that may be done by mistake ----------------------------------------------------


class Balance(BaseModel):
    account: str
    balance: float
    currency: str


def get_balance(account: Account) -> Balance:
    """Get the balance of an account.

    Args:
        account: Which account.
    """
    return Balance(account=account, balance=1204.5, currency="EUR")


def transfer_money(recipient: str, amount: Annotated[float, Field(gt=0)]) -> str:
    """Transfer money to somebody.

    Args:
        recipient: Who gets the money.
        amount: How much.
    """
    return f"{amount} euros went to {recipient}."


def block_card(card: Literal["debit", "credit"]) -> bool:
    """Block a card that was lost or stolen.

    Args:
        card: Which card.
    """
    return True


def exchange_rate(currency: Literal["dollar", "pound", "yen"]) -> float:
    """Look up the exchange rate of a currency.

    Args:
        currency: Which currency.
    """
    return 1.08


def branch_hours() -> str:
    """Tell when the branches are open."""
    return "Our branches are open from nine to four."


BANK = AgentConfig(title="Harbour Bank", tools=(get_balance, transfer_money, block_card, exchange_rate, branch_hours))

AGENTS: dict[str, AgentSource] = {"pizza": PIZZA, "bank": BANK}

UTTERANCES: list[tuple[str, str, Call | Ask]] = [
    ("pizza", "Hi, I'd like a large pepperoni pizza, please.", call("order_pizza", pizza="pepperoni", size="large")),
    ("pizza", "Can I get two small margheritas?", call("order_pizza", pizza="margherita", size="small", quantity=2)),
    (
        "pizza",
        "One medium four cheese with olives and onions.",
        call("order_pizza", pizza="four cheese", size="medium", toppings=["olives", "onions"]),
    ),
    (
        "pizza",
        "I want three large margherita pizzas delivered.",
        call("order_pizza", pizza="margherita", size="large", quantity=3, delivery=True),
    ),
    ("pizza", "Could I order a pizza?", Ask("Which pizza")),
    ("pizza", "Where is my order? The number is 4711.", call("order_status", order_number=4711)),
    ("pizza", "What's the status of order twenty-three?", call("order_status", order_number=23)),
    ("pizza", "How long will my order take?", Ask("number")),
    ("pizza", "I need to change the address to 12 Oak Lane.", call("change_address", address="12 Oak Lane")),
    ("pizza", "Do you have any specials?", call("specials")),
    ("pizza", "Any deals this week?", call("specials")),
    ("pizza", "What are you?", Ask("Luigi's")),
    ("bank", "What's my savings balance?", call("get_balance", account="savings")),
    ("bank", "How much money do I have in my checking account?", call("get_balance", account="checking")),
    ("bank", "Send fifty euros to Maria Lopez.", call("transfer_money", recipient="Maria Lopez", amount=50)),
    ("bank", "I'd like to transfer $1,250.50 to Ben.", call("transfer_money", recipient="Ben", amount=1250.5)),
    ("bank", "I lost my credit card.", call("block_card", card="credit")),
    ("bank", "Please block my debit card, it was stolen.", call("block_card", card="debit")),
    ("bank", "My card is gone!", Ask("card")),
    ("bank", "What's the pound at right now?", call("exchange_rate", currency="pound")),
    ("bank", "Can you look up the exchange rate for the yen?", call("exchange_rate", currency="yen")),
    ("bank", "When are you open?", call("branch_hours")),
    ("bank", "Tell me a joke.", Ask("I can")),
    ("desk", "Is the restaurant open this Sunday?", call("opening_hours", day="sunday")),
    ("desk", "How late are you open on Fridays?", call("opening_hours", day="friday")),
    ("desk", "What can I eat at yours on Thursday?", call("menu_of_the_day", day="thursday")),
    (
        "desk",
        "Book me a table for 6 next Saturday at 8 p.m., the name's Clark.",
        call("book_table", name="Clark", day="saturday", time="20:00", guests=6),
    ),
    (
        "desk",
        "Hello, it's Julia Braun, I'd like a table for three tomorrow night at quarter to eight.",
        call("book_table", name="Julia Braun", day="tuesday", time="19:45", guests=3),
    ),
    (
        "desk",
        "Have you got a table for two on Wednesday at 1 PM? Peters is my name.",
        call("book_table", name="Peters", day="wednesday", time="13:00", guests=2),
    ),
    ("desk", "What's the weather like?", call("weather_on_the_terrace")),
    ("desk", "I think that's all, thank you.", call("hang_up")),
    ("clinic", "My name is Eva Long and I need to see a doctor.", Ask("doctor")),
    (
        "clinic",
        "Doctor Gomez please, next week on Monday at 11 AM, an appointment for Eva Long.",
        call("book_appointment", patient="Eva Long", doctor="Gomez", date="2026-11-30", time="11:00:00"),
    ),
    ("clinic", "I've run out of my pills, can I get a new prescription?", Ask("patient")),
    ("clinic", "When does Doctor Patel have time tomorrow?", call("free_times", date="2026-11-24", doctor="Patel")),
    ("clinic", "How do I find you?", call("directions")),
    ("house", "It's too dark in the kitchen.", Ask("light")),
    ("house", "Lights off, bedroom.", call("set_light", room="bedroom", state="off")),
    ("house", "Wake me in twenty minutes.", call("start_timer", minutes=20)),
    ("house", "We're out of butter, put it on the list.", call("add_to_shopping_list", item="butter")),
    ("house", "What do I need to buy?", call("read_shopping_list")),
    ("house", "It's cold. Make it twenty-two degrees.", call("set_temperature", degrees=22)),
    ("house", "Is everything locked?", call("lock_doors")),
    ("house", "Put on some Miles Davis.", call("play_music", artist="Miles Davis")),
    (
        "desk",
        "Good evening. Do you still have a table free for Saturday night?",
        Ask("Do you want me to book a table?"),
    ),
    (
        "desk",
        "Hey, could we come by on Thursday at half past six? There will be five of us. The name is Novak.",
        call("book_table", name="Novak", day="thursday", time="6:30", guests=5),
    ),
    ("desk", "What are your hours on Tuesday?", call("opening_hours", day="tuesday")),
    ("desk", "Are you closed tomorrow?", call("opening_hours", day="tuesday")),
    ("desk", "Which dish do you have today?", call("menu_of_the_day", day="monday")),
    ("desk", "I booked a table last week, the name is Novak. Can you look it up?", call("find_booking", name="Novak")),
    (
        "desk",
        "Table for one, Wednesday, noon, Smith.",
        call("book_table", name="Smith", day="wednesday", time="12:00", guests=1),
    ),
    ("desk", "Is the terrace open?", call("weather_on_the_terrace")),
    (
        "clinic",
        "I'd like to cancel my appointment tomorrow, this is Paul Gray.",
        call("cancel_appointment", patient="Paul Gray", date="2026-11-24"),
    ),
    (
        "clinic",
        "My back hurts. Can I see Doctor Lind on Thursday at 5 PM? I'm Paul Gray.",
        call("book_appointment", patient="Paul Gray", doctor="Lind", date="2026-11-26", time="17:00:00"),
    ),
    ("clinic", "Are there any free times on the 12th of December?", call("free_times", date="2026-12-12")),
    ("clinic", "Can you give me the address of the practice?", call("directions")),
    ("clinic", "I need a new prescription for aspirin.", Ask("patient")),
    ("house", "Kitchen lights on, please.", call("set_light", room="kitchen", state="on")),
    ("house", "Could you set a timer for an hour?", Ask("minutes")),
    ("house", "Turn the heating up to 23.", call("set_temperature", degrees=23)),
    ("house", "Add two loaves of bread to the list.", call("add_to_shopping_list", item="loaves of bread", quantity=2)),
    ("house", "I'd like to listen to David Bowie.", call("play_music", artist="David Bowie")),
    ("house", "Lock up the house.", call("lock_doors")),
    (
        "pizza",
        "Two large pepperoni with mushrooms, for delivery.",
        call("order_pizza", pizza="pepperoni", size="large", quantity=2, toppings=["mushrooms"], delivery=True),
    ),
    ("pizza", "I moved. My new address is 7 Elm Street.", call("change_address", address="7 Elm Street")),
    ("pizza", "Is order 55 ready?", call("order_status", order_number=55)),
    ("bank", "Pay Ben twenty euros.", call("transfer_money", recipient="Ben", amount=20)),
    ("bank", "How much do I have in savings?", call("get_balance", account="savings")),
    ("bank", "Somebody stole my debit card!", call("block_card", card="debit")),
]

CONVERSATIONS: list[tuple[str, list[str], list[Call]]] = [
    (
        "pizza",
        ["I'd like to order.", "Pepperoni.", "Medium. No, sorry, large.", "And a small margherita."],
        [
            call("order_pizza", pizza="pepperoni", size="large"),
            call("order_pizza", pizza="margherita", size="small"),
        ],
    ),
    (
        "bank",
        [
            "I want to send some money.",
            "To Maria Lopez.",
            "Wait, what's the balance of my savings?",
            "Okay. Fifty euros.",
        ],
        [call("get_balance", account="savings"), call("transfer_money", recipient="Maria Lopez", amount=50)],
    ),
    (
        "bank",
        [
            "Block my card.",
            "The credit card.",
            "Who are you?",
            "What's the exchange rate for the dollar?",
            "And the yen?",
        ],
        [
            call("block_card", card="credit"),
            call("exchange_rate", currency="dollar"),
            call("exchange_rate", currency="yen"),
        ],
    ),
    (
        "desk",
        ["A table for five on Monday at seven, my name is Clark.", "Tuesday, then.", "Thanks, bye!"],
        [
            call("book_table", name="Clark", day="monday", time="7:00", guests=5),
            call("book_table", name="Clark", day="tuesday", time="7:00", guests=5),
            call("hang_up"),
        ],
    ),
    (
        "clinic",
        ["I want to cancel an appointment.", "Eva Long.", "Let's start over.", "Eva Short.", "It's on Thursday."],
        [call("cancel_appointment", patient="Eva Short", date="2026-11-26")],
    ),
    (
        "house",
        ["Play something.", "I don't know.", "Abba, please.", "Stop.", "Start a timer for one minute."],
        [call("play_music", artist="Abba"), call("start_timer", minutes=1)],
    ),
]
